//! `[slo]`: what users are promised, of which the error budget follows.

use patchline_model::stage::budget::Slo;
use patchline_model::time::Seconds;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::fraction;

/// Days of a period, at most.
const LONGEST_DAYS: u64 = 90;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SloSection {
    availability: Spanned<f64>,
    period_days: Spanned<u64>,
}

pub fn slo_of(written: &SloSection) -> Result<Slo, Problem> {
    let days = *written.period_days.get_ref();
    if !(1..=LONGEST_DAYS).contains(&days) {
        let message = format!("`period_days` lies between 1 and {LONGEST_DAYS}");
        return Err(Problem::at(written.period_days.span(), message));
    }
    Ok(Slo { availability: fraction(&written.availability, "availability")?, period: Seconds(days * 86_400) })
}
