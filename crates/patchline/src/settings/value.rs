//! Single values of `patchline.toml`: what each must be, and the complaint where it is not.

use std::path::Path;

use patchline_model::service::CommandLine;
use patchline_model::share::Share;
use patchline_model::time::Seconds;
use toml::Spanned;

use crate::settings::caret::Problem;

/// A day: no bake and no deadline is longer.
const LONGEST_SECONDS: u64 = 86_400;

/// As many instances of one version as the process target starts.
const MOST_INSTANCES: u32 = 64;

/// Looks without data that a rollout may be told to bear.
const MOST_LOOKS: u32 = 1000;

pub fn command(value: &Spanned<Vec<String>>) -> Result<CommandLine, Problem> {
    match value.get_ref().first() {
        Some(program) if !program.is_empty() => Ok(CommandLine(value.get_ref().clone())),
        Some(_) | None => Err(Problem::at(value.span(), "a command needs a program")
            .hint("write it as a list, as in [\"cargo\", \"test\"]")),
    }
}

pub fn text(value: &Spanned<String>, name: &str) -> Result<String, Problem> {
    match value.get_ref().trim() {
        "" => Err(Problem::at(value.span(), format!("`{name}` is empty"))),
        text => Ok(text.to_owned()),
    }
}

/// A path that stays inside the service's folder.
pub fn inside(value: &Spanned<String>) -> Result<String, Problem> {
    let path = Path::new(value.get_ref());
    let plain = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if plain && !value.get_ref().is_empty() {
        return Ok(value.get_ref().clone());
    }
    Err(Problem::at(value.span(), "expected a path inside the service's folder"))
}

pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: &Spanned<String>) -> Result<T, Problem> {
    value.get_ref().parse().map_err(|error: T::Err| Problem::at(value.span(), error.to_string()))
}

pub fn fraction(value: &Spanned<f64>, name: &str) -> Result<f64, Problem> {
    let number = *value.get_ref();
    if number > 0.0 && number < 1.0 {
        return Ok(number);
    }
    Err(Problem::at(value.span(), format!("`{name}` lies between 0 and 1")).hint("0.01 is one percent"))
}

/// A part of the traffic.
pub fn share(value: &Spanned<f64>) -> Result<Share, Problem> {
    Share::from_fraction(*value.get_ref()).map_err(|error| Problem::at(value.span(), error.to_string()))
}

pub fn count(value: &Spanned<u32>) -> Result<u32, Problem> {
    up_to(value, MOST_INSTANCES)
}

pub fn looks(value: &Spanned<u32>) -> Result<u32, Problem> {
    up_to(value, MOST_LOOKS)
}

fn up_to(value: &Spanned<u32>, most: u32) -> Result<u32, Problem> {
    match *value.get_ref() {
        number if (1..=most).contains(&number) => Ok(number),
        _ => Err(Problem::at(value.span(), format!("expected a number from 1 to {most}"))),
    }
}

pub fn span_of_time(value: &Spanned<u64>) -> Result<Seconds, Problem> {
    seconds_from(1, value)
}

/// No time at all is a time, too.
pub fn span_or_none(value: &Spanned<u64>) -> Result<Seconds, Problem> {
    seconds_from(0, value)
}

fn seconds_from(least: u64, value: &Spanned<u64>) -> Result<Seconds, Problem> {
    match *value.get_ref() {
        number if (least..=LONGEST_SECONDS).contains(&number) => Ok(Seconds(number)),
        _ => Err(Problem::at(value.span(), format!("expected seconds from {least} to {LONGEST_SECONDS}"))),
    }
}
