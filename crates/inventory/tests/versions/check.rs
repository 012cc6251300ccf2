//! What an ordering promises, checked for two versions in both directions.

use std::cmp::Ordering;

use patchline_inventory::version::Scheme;
use patchline_model::package::Ecosystem;

pub fn scheme(ecosystem: &str) -> Scheme {
    Scheme::of(&Ecosystem(ecosystem.to_owned())).unwrap_or_else(|| panic!("{ecosystem} has a scheme"))
}

/// The sign of the comparison; `?` where a text is no version.
pub fn sign(order: Option<Ordering>) -> &'static str {
    match order {
        None => "?",
        Some(Ordering::Less) => "<",
        Some(Ordering::Equal) => "=",
        Some(Ordering::Greater) => ">",
    }
}

/// Checks that both texts compare like this, that the reverse holds, and that their keys do not contradict it.
pub fn compares(scheme: Scheme, left: &str, then: &str, right: &str) -> Result<(), String> {
    let order = scheme.compare(left, right);
    let reverse = scheme.compare(right, left);
    if sign(order) != then {
        return Err(format!("{left} {then} {right} is told as {}", sign(order)));
    }
    if reverse != order.map(Ordering::reverse) {
        return Err(format!("{left} {} {right}, yet {right} {} {left}", sign(order), sign(reverse)));
    }
    if let (Some(first), Some(second)) = (scheme.parse(left), scheme.parse(right)) {
        let keys = first.coarse().cmp(&second.coarse());
        if first.cmp(&second) != order.unwrap_or(Ordering::Equal) {
            return Err(format!("{left} and {right} compare in two ways"));
        }
        if keys.is_ne() && Some(keys) != order {
            return Err(format!("{left} {then} {right}, but their keys are {}", sign(Some(keys))));
        }
    }
    Ok(())
}
