//! `db status`: what advisories there are, by ecosystem, and how old.

use std::path::Path;
use std::time::{Duration, SystemTime};

use patchline_detect::age::warning;
use patchline_detect::{Advisories, Ages, DetectError, Image, Shelf};
use patchline_model::failure::in_full;
use patchline_model::scanning::Freshness;

use crate::exit::{Exit, Trouble};
use crate::terminal::{say, warn};
use crate::wire;

pub fn run(data: Option<&Path>) -> Result<Exit, Trouble> {
    let directory = wire::home(data)?.advisories();
    let advisories = Advisories::open(&directory).map_err(|error| trouble(&error))?;
    let ages = Ages::of(&directory, SystemTime::now()).map_err(|error| trouble(&error))?;
    for shelf in advisories.sources() {
        say(&line(shelf, &ages));
    }
    let status = advisories.status();
    say(&format!("{} advisories from {}", status.records, status.from.join(", ")));
    match &status.newest {
        Some(newest) => say(&format!("newest change: {newest}")),
        None => say("newest change: unknown"),
    }
    for (ecosystem, followed) in &ages.updates().ecosystems {
        for (id, held) in &followed.held {
            say(&format!(
                "{ecosystem}: {id} is held back: {}; `patchline db accept {id}` lets it in",
                held.why
            ));
        }
    }
    if let Some(old) = warning(&ages.old(&advisories, |_| true, Freshness::default().days())) {
        warn(&old);
    }
    // Every block is read, so what is damaged is named before a scan needs it.
    advisories.check().map_err(|error| trouble(&error))?;
    for image in advisories.sources().flat_map(Shelf::layers) {
        image.verify().map_err(|error| trouble(&error))?;
    }
    Ok(Exit::Done)
}

fn trouble(error: &DetectError) -> Trouble {
    let mut trouble = Trouble::input(in_full(error));
    trouble.hint = error.hint().map(str::to_owned);
    trouble
}

fn line(shelf: &Shelf, ages: &Ages) -> String {
    let header = &shelf.base.header;
    let newest = shelf.layers().map(|image| image.header.newest.as_str()).max().unwrap_or_default();
    let later = shelf.delta.as_ref().map_or(0, |delta| delta.header.records);
    let later = if later == 0 { String::new() } else { format!(", {later} changed since") };
    let source = ages.updates().ecosystems.get(&header.ecosystem).map(|followed| &followed.mirror);
    let came = match (ages.age(shelf), source) {
        (None, _) => "built in".to_owned(),
        (Some(age), None) => format!("imported {}", ago(age)),
        (Some(age), Some(mirror)) => format!("up to date {} with {mirror}", ago(age)),
    };
    format!(
        "{}: {} advisories ({} withdrawn{later}) of {} packages, newest change {}, {came}, {:.1} MB",
        header.ecosystem,
        header.records,
        header.withdrawn,
        header.packages,
        newest.get(..10).unwrap_or("unknown"),
        shelf.layers().map(Image::size).sum::<u64>() as f64 / 1e6
    )
}

fn ago(age: Duration) -> String {
    match age.as_secs() / (24 * 60 * 60) {
        0 => "today".to_owned(),
        1 => "a day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ago;

    #[test]
    fn an_age_is_told_in_days() {
        let check = |given: u64, then: &str| assert_eq!(ago(Duration::from_secs(given * 60 * 60)), then);
        check(0, "today");
        check(23, "today");
        check(24, "a day ago");
        check(12 * 24, "12 days ago");
    }
}
