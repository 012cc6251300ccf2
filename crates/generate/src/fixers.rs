//! The list of the fixers. A new one is one file and one line here.

use std::sync::Arc;

use patchline_sandbox::sandbox::Sandbox;

use crate::actions::fixer::ActionsFixer;
use crate::code::autofix::Autofix;
use crate::dependency::bundler::fixer::BundlerFixer;
use crate::dependency::cargo::fixer::CargoFixer;
use crate::dependency::composer::fixer::ComposerFixer;
use crate::dependency::go::fixer::GoFixer;
use crate::dependency::gradle::fixer::GradleFixer;
use crate::dependency::maven::fixer::MavenFixer;
use crate::dependency::npm::fixer::NpmFixer;
use crate::dependency::pip::fixer::PipFixer;
use crate::dependency::pnpm::fixer::PnpmFixer;
use crate::dependency::python::fixer::LockFixer;
use crate::dependency::yarn::fixer::YarnFixer;
use crate::fixer::Fixer;

/// All fixers, the most specific first: the first that can is the one to ask.
pub fn fixers(sandbox: &Sandbox) -> Vec<Arc<dyn Fixer>> {
    vec![
        Arc::new(CargoFixer::new(sandbox.clone())),
        Arc::new(NpmFixer::new(sandbox.clone())),
        Arc::new(PnpmFixer::new(sandbox.clone())),
        Arc::new(YarnFixer::new(sandbox.clone())),
        Arc::new(PipFixer::new(sandbox.clone())),
        Arc::new(LockFixer::uv(sandbox.clone())),
        Arc::new(LockFixer::poetry(sandbox.clone())),
        Arc::new(GoFixer::new(sandbox.clone())),
        Arc::new(BundlerFixer::new(sandbox.clone())),
        Arc::new(ComposerFixer::new(sandbox.clone())),
        Arc::new(ActionsFixer::new(sandbox.clone())),
        Arc::new(GradleFixer::new(sandbox.clone())),
        Arc::new(MavenFixer::new(sandbox.clone())),
        Arc::new(Autofix::new(sandbox.clone())),
    ]
}
