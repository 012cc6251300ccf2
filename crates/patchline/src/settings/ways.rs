//! The keys of `[rollout]` that tell users and requests apart: `cohort`, `flag`, and those of a shadow.

use patchline_model::cohort::{Cohort, Condition, Field, Token};
use patchline_model::share::Share;
use patchline_model::stage::traffic::Mirror;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::{parsed, share};

/// What is mirrored unless the file says otherwise: what may be asked twice (RFC 9110, section 9.2.1).
const SAFE: [&str; 2] = ["GET", "HEAD"];

/// What of the answers is compared besides status and body.
const HEADERS: [&str; 1] = ["content-type"];

/// The part of the mirrored requests that stable is asked a second time, in parts per million.
const CONTROL: u32 = 100_000;

/// The part of the answers that may differ, in parts per million.
const MOST_MISMATCHES: u32 = 10_000;

/// Values of a condition, methods, headers.
const MOST_WORDS: usize = 16;

/// Characters of one of them.
const LONGEST_WORD: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSection {
    header: Option<Spanned<String>>,
    cookie: Option<Spanned<String>>,
    only: Option<Spanned<OnlySection>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlySection {
    header: Option<Spanned<String>>,
    cookie: Option<Spanned<String>>,
    values: Spanned<Vec<String>>,
}

/// The keys of a mirror, as far as they are written.
pub struct MirrorKeys<'a> {
    pub share: &'a Spanned<f64>,
    pub methods: Option<&'a Spanned<Vec<String>>>,
    pub headers: Option<&'a Spanned<Vec<String>>>,
    pub control: Option<&'a Spanned<f64>>,
}

pub fn cohort(written: &Spanned<CohortSection>) -> Result<Cohort, Problem> {
    let section = written.get_ref();
    let by = field(written, section.header.as_ref(), section.cookie.as_ref())?;
    Ok(Cohort { by, only: section.only.as_ref().map(only).transpose()? })
}

fn only(written: &Spanned<OnlySection>) -> Result<Condition, Problem> {
    let section = written.get_ref();
    let field = field(written, section.header.as_ref(), section.cookie.as_ref())?;
    Ok(Condition { field, values: words(&section.values, "values")? })
}

/// Exactly one of both.
fn field<T>(
    at: &Spanned<T>,
    header: Option<&Spanned<String>>,
    cookie: Option<&Spanned<String>>,
) -> Result<Field, Problem> {
    match (header, cookie) {
        (Some(name), None) => parsed::<Token>(name).map(Field::Header),
        (None, Some(name)) => parsed::<Token>(name).map(Field::Cookie),
        (None, None) | (Some(_), Some(_)) => {
            let message = "a cohort is told by one `header` or by one `cookie`";
            Err(Problem::at(at.span(), message).hint("as in { cookie = \"session\" }"))
        }
    }
}

pub fn mirror(keys: &MirrorKeys<'_>) -> Result<Mirror, Problem> {
    let mirrored = share(keys.share)?;
    if mirrored == Share::NONE {
        let message = "`mirror` lies above 0: where nothing is mirrored nothing can be compared";
        return Err(Problem::at(keys.share.span(), message));
    }
    let known = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let methods = keys.methods.map_or_else(|| Ok(known(&SAFE)), |written| words(written, "methods"))?;
    if let Some(written) = keys.methods
        && let Some(wrong) = methods.iter().find(|word| !word.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        let message = format!("`{wrong}` is not a method; methods are written in capitals, as in \"GET\"");
        return Err(Problem::at(written.span(), message));
    }
    let headers = keys.headers.map_or_else(|| Ok(known(&HEADERS)), |written| list(written, "headers"))?;
    let token = |word: &String| {
        let at = keys.headers.map(Spanned::span).unwrap_or_default();
        word.parse::<Token>().map_err(|error| Problem::at(at, error.to_string()))
    };
    Ok(Mirror {
        share: mirrored,
        methods,
        headers: headers.iter().map(token).collect::<Result<_, _>>()?,
        control: keys.control.map_or_else(|| Ok(ppm(CONTROL)), share)?,
    })
}

pub fn most_mismatches(written: Option<&Spanned<f64>>) -> Result<Share, Problem> {
    let Some(written) = written else { return Ok(ppm(MOST_MISMATCHES)) };
    let most = share(written)?;
    if most >= most.rest() {
        let message = "`most_mismatches` lies below 0.5: a version that mostly differs is another one";
        return Err(Problem::at(written.span(), message));
    }
    Ok(most)
}

fn ppm(parts: u32) -> Share {
    Share::try_from(parts).expect("it lies below the whole")
}

/// At least one word.
fn words(written: &Spanned<Vec<String>>, key: &str) -> Result<Vec<String>, Problem> {
    if written.get_ref().is_empty() {
        return Err(Problem::at(written.span(), format!("`{key}` is empty")));
    }
    list(written, key)
}

fn list(written: &Spanned<Vec<String>>, key: &str) -> Result<Vec<String>, Problem> {
    let words = written.get_ref();
    let fits = |word: &String| (1..=LONGEST_WORD).contains(&word.len());
    if words.len() > MOST_WORDS || !words.iter().all(fits) {
        let message = format!("`{key}` holds at most {MOST_WORDS} words of 1 to {LONGEST_WORD} characters");
        return Err(Problem::at(written.span(), message));
    }
    Ok(words.clone())
}
