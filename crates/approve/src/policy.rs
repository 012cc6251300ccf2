//! Rego over verified evidence: deny unless shown, undefined is deny, and a policy that forgets this is refused when it
//! is loaded.

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use patchline_model::digest::Digest;
use patchline_model::stage::approve::Answer;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use serde_json::Map;
use thiserror::Error;

use crate::input::Input;
use crate::ruling::Ruling;

/// The package that a gate's rules stand in.
const PACKAGE: &str = "data.patchline.gate";
/// The rules that every gate defines.
const RULES: [&str; 4] = ["allow", "deny", "needs", "reasons"];
/// How long one decision may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const STEPS_BETWEEN_LOOKS_AT_THE_CLOCK: NonZeroU32 = NonZeroU32::new(64).expect("64 is not zero");
/// The longest input, as JSON; an SBOM is the largest part of it.
const LONGEST_INPUT: usize = 64 * 1024 * 1024;

/// A loaded policy. Cheap to clone; it keeps nothing from one decision to the next.
#[derive(Clone)]
pub struct Gate {
    name: Arc<str>,
    engine: Arc<Engine>,
    digest: Digest,
}

#[derive(Debug, Error)]
pub enum PolicyError {
    #[error("could not read the policy {name}")]
    Unreadable {
        name: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("the policy {name} is no gate: {what}")]
    NoGate { name: String, what: String },
    #[error("could not show the patch to the policy {name}")]
    Input {
        name: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("could not evaluate the policy {name}")]
    Evaluate {
        name: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("the answer of the policy {name} can't be used: {what}")]
    Answer { name: String, what: String },
}

impl Gate {
    /// The policy that Patchline ships.
    pub fn shipped() -> Self {
        Self::from_rego("default.rego", include_str!("default.rego"))
            .expect("the shipped policy is loaded by its tests")
    }

    /// A policy of one's own. `name` stands before line and column in errors. Refused when it can't be read, when it
    /// does not define what a gate must, and when it lets a patch through that nothing is known of.
    pub fn from_rego(name: &str, text: &str) -> Result<Self, PolicyError> {
        let unreadable =
            |source: Box<dyn Error + Send + Sync>| PolicyError::Unreadable { name: name.to_owned(), source };
        let mut engine = Engine::new();
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: TIME_LIMIT,
            check_interval: STEPS_BETWEEN_LOOKS_AT_THE_CLOCK,
        });
        let package =
            engine.add_policy(name.to_owned(), text.to_owned()).map_err(|error| unreadable(error.into()))?;
        if package != PACKAGE {
            return Err(no_gate(name, format!("its package is `{package}`, not `{PACKAGE}`")));
        }
        // Asking compiles the rules as well, so a name that nothing defines is found here.
        engine.set_input(Value::new_object());
        engine.eval_query(PACKAGE.to_owned(), false).map_err(|error| unreadable(error.into()))?;
        for rule in RULES {
            if engine.eval_rule(format!("{PACKAGE}.{rule}")).is_err() {
                return Err(no_gate(name, format!("it does not define `{rule}`")));
            }
        }
        let gate =
            Self { name: Arc::from(name), engine: Arc::new(engine), digest: Digest::of(text.as_bytes()) };
        gate.refuse_if_open()?;
        Ok(gate)
    }

    /// The policy, by the digest of its text.
    pub fn digest(&self) -> Digest {
        self.digest.clone()
    }

    /// May this patch move? The same input gives the same ruling.
    pub fn decide(&self, input: &Input) -> Result<Ruling, PolicyError> {
        let cannot_show =
            |source: Box<dyn Error + Send + Sync>| PolicyError::Input { name: self.name.to_string(), source };
        let text = serde_json::to_string(input).map_err(|error| cannot_show(error.into()))?;
        if text.len() > LONGEST_INPUT {
            return Err(cannot_show(format!("it is longer than {LONGEST_INPUT} bytes").into()));
        }
        let value = Value::from_json_str(&text).map_err(|error| cannot_show(error.into()))?;
        let package = self.evaluate(value)?;
        let known: Vec<&Digest> = input.evidence.iter().map(|item| &item.digest).collect();
        Ruling::read(&package, &known)
            .map_err(|what| PolicyError::Answer { name: self.name.to_string(), what })
    }

    /// All that the policy's package defines for this input, as JSON.
    fn evaluate(&self, input: Value) -> Result<Map<String, serde_json::Value>, PolicyError> {
        let failed = |source: Box<dyn Error + Send + Sync>| PolicyError::Evaluate {
            name: self.name.to_string(),
            source,
        };
        let mut engine = Engine::clone(&self.engine);
        engine.set_input(input);
        let results = engine.eval_query(PACKAGE.to_owned(), false).map_err(|error| failed(error.into()))?;
        let value =
            results.result.first().and_then(|result| result.expressions.first()).map(|found| &found.value);
        // Undefined has no JSON; it is nothing, and nothing is deny.
        let picked = RULES.iter().filter_map(|rule| {
            let value = value?.as_object().ok()?.get(&Value::from(*rule))?;
            (*value != Value::Undefined)
                .then(|| serde_json::to_value(value).map(|json| ((*rule).to_owned(), json)))
        });
        picked.collect::<Result<_, _>>().map_err(|error| failed(error.into()))
    }

    /// A policy that counts violations lets through what it can't see. Nothing at all must not pass.
    fn refuse_if_open(&self) -> Result<(), PolicyError> {
        for (shown, input) in [("nothing", Value::new_object()), ("an empty patch", empty_patch())] {
            let package = self.evaluate(input)?;
            let ruling = Ruling::read(&package, &[]).map_err(|what| no_gate(&self.name, what))?;
            if ruling.answer == Answer::Allow {
                let what = format!("it allows when it is shown {shown}; a gate denies unless shown");
                return Err(no_gate(&self.name, what));
            }
        }
        Ok(())
    }
}

fn no_gate(name: &str, what: String) -> PolicyError {
    PolicyError::NoGate { name: name.to_owned(), what }
}

/// An input of the right shape with nothing in its lists.
fn empty_patch() -> Value {
    Value::from(serde_json::json!({
        "patch": { "kind": "dependency", "findings": [], "removes": [], "moves": [], "files": [], "tier": 4 },
        "evidence": [], "approvals": [], "checks": [],
    }))
}
