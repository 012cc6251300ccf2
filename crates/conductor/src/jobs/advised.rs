//! What the advisories say of versions that a fixer thinks of.

use patchline_detect::Advisories;
use patchline_generate::fixer::Known;
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::package::Package;

use crate::hands::Hands;

/// The advisories that were imported, open.
#[derive(Debug)]
pub struct Advised(Advisories);

/// Opens them.
pub fn advised(hands: &Hands) -> Result<Advised, Failure> {
    let opened = Advisories::open(&hands.home.advisories());
    opened.map(Advised).map_err(|error| Failure::permanent(in_full(&error)).of(FailureClass::Input))
}

impl Known for Advised {
    fn problems(&self, package: &Package) -> Result<Vec<String>, Failure> {
        let answer = self
            .0
            .of(package)
            .map_err(|error| Failure::permanent(in_full(&error)).of(FailureClass::Input))?;
        let serious = answer.problems.iter().filter(|problem| problem.informational.is_none());
        Ok(serious.map(|problem| problem.advisory.clone()).collect())
    }
}
