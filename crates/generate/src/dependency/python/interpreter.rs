//! The Python that is here, asked in the sandbox: its environment markers, and the index that its pip asks where nothing is set.

use std::env;
use std::path::Path;
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::Foreign;
use patchline_sandbox::sandbox::Sandbox;
use serde::Deserialize;

use crate::dependency::python::marker::Environment;
use crate::failures;
use crate::message::clean;

/// Where Python's programs are told which certificates to trust; none of it is a secret.
const CERTIFICATES: [&str; 3] = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"];

/// What Python's programs need of the environment to reach a network whose certificates are its own.
pub(crate) fn certificates() -> impl Iterator<Item = (String, String)> {
    CERTIFICATES.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)))
}

/// The names and values are those of the standard on environment markers.
const QUESTION: &str = r#"
import json, os, platform, sys
def version(info):
    text = "{0.major}.{0.minor}.{0.micro}".format(info)
    return text if info.releaselevel == "final" else text + info.releaselevel[0] + str(info.serial)
try:
    from pip._internal.models.index import PyPI
    index = PyPI.simple_url
except ImportError:
    index = None
print(json.dumps({"index": index, "executable": sys.executable, "environment": {
    "implementation_name": sys.implementation.name,
    "implementation_version": version(sys.implementation.version),
    "os_name": os.name,
    "platform_machine": platform.machine(),
    "platform_release": platform.release(),
    "platform_system": platform.system(),
    "platform_version": platform.version(),
    "platform_python_implementation": platform.python_implementation(),
    "python_full_version": platform.python_version(),
    "python_version": ".".join(platform.python_version_tuple()[:2]),
    "sys_platform": sys.platform,
}}))
"#;

/// What it says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Interpreter {
    /// Where pip looks by itself; none where there is no pip.
    index: Option<String>,
    /// The program itself, without a shim that chooses among several.
    pub(crate) executable: String,
    pub(crate) environment: Environment,
}

impl Interpreter {
    pub(crate) async fn ask(sandbox: &Sandbox) -> Result<Self, Failure> {
        let foreign = Foreign {
            deadline: Duration::from_secs(60),
            ..Foreign::new(&["python3", "-I", "-c", QUESTION], Path::new("/"))
        };
        let finished = sandbox.run(&foreign).await.map_err(failures::of_sandbox)?;
        let said = finished.succeeded().then(|| serde_json::from_str(&finished.stdout).ok()).flatten();
        said.ok_or_else(|| {
            let text = format!("could not ask python3 what it is: {}", clean(&finished.combined(), 300));
            Failure::permanent(text).of(FailureClass::Tool).with_hint("see whether `python3 --version` works")
        })
    }

    pub(crate) fn index(&self) -> Result<String, Failure> {
        self.index.clone().ok_or_else(|| {
            Failure::permanent("could not ask pip for its index: this python3 has no pip")
                .of(FailureClass::Tool)
                .with_hint("install pip, as in `python3 -m ensurepip`, or set `index-url` in `pip.conf`")
        })
    }

    pub(crate) fn python(&self) -> &str {
        self.environment.get("python_full_version").map_or("", String::as_str)
    }
}
