//! `db status`: what advisories there are, by ecosystem, and how old.

use std::path::Path;
use std::time::{Duration, SystemTime};

use patchline_detect::{Advisories, Image, Shelf};
use patchline_model::failure::in_full;

use crate::exit::{Exit, Trouble};
use crate::terminal::{say, warn_if_stale};
use crate::wire;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub fn run(data: Option<&Path>) -> Result<Exit, Trouble> {
    let home = wire::home(data)?;
    let advisories = Advisories::open(&home.advisories()).map_err(|error| Trouble::input(in_full(&error)))?;
    let now = SystemTime::now();
    for shelf in advisories.sources() {
        say(&line(shelf, now));
    }
    let status = advisories.status();
    say(&format!("{} advisories from {}", status.records, status.from.join(", ")));
    match &status.newest {
        Some(newest) => say(&format!("newest change: {newest}")),
        None => say("newest change: unknown"),
    }
    warn_if_stale(&advisories, now);
    advisories.check().map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        Trouble::input(in_full(&error)).hint(hint)
    })?;
    Ok(Exit::Done)
}

fn line(shelf: &Shelf, now: SystemTime) -> String {
    let header = &shelf.base.header;
    let came = shelf.imported().map_or("built in".to_owned(), |at| imported(at, now));
    let newest = shelf.layers().map(|image| image.header.newest.as_str()).max().unwrap_or_default();
    let later = shelf.delta.as_ref().map_or(0, |delta| delta.header.records);
    let later = if later == 0 { String::new() } else { format!(", {later} of them changed since") };
    format!(
        "{}: {} advisories ({} withdrawn){later} of {} packages, newest change {}, {came}, {:.1} MB",
        header.ecosystem,
        header.records,
        header.withdrawn,
        header.packages,
        newest.get(..10).unwrap_or("unknown"),
        shelf.layers().map(Image::size).sum::<u64>() as f64 / 1e6
    )
}

fn imported(at: SystemTime, now: SystemTime) -> String {
    // A clock that was set back makes nothing older.
    match now.duration_since(at).unwrap_or_default().as_secs() / DAY.as_secs() {
        0 => "imported today".to_owned(),
        1 => "imported a day ago".to_owned(),
        days => format!("imported {days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::{DAY, imported};

    #[test]
    fn an_age_is_told_in_days() {
        let check = |given: i32, then: &str| {
            let now = SystemTime::UNIX_EPOCH + DAY * 100;
            let at =
                if given < 0 { now + DAY * given.unsigned_abs() } else { now - DAY * given.unsigned_abs() };
            assert_eq!(imported(at, now), then);
        };
        check(0, "imported today");
        check(1, "imported a day ago");
        check(12, "imported 12 days ago");
        check(-3, "imported today");
    }
}
