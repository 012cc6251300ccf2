//! When a routine rollout may begin or grow: hours of the day, by the clock on the wall of one place.
//!
//! Time-zone rules change by law, so they come in as data: [`Offsets`] says which offset from UTC a place has from when
//! on, for the days around now. A window is open while the clock on the wall shows a time within it. So it needs no rule
//! of its own for days on which the clocks change: what the clock skips is not open, and what it shows twice is open
//! twice.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const MINUTES_A_DAY: u16 = 24 * 60;
const MILLIS_A_DAY: i64 = 86_400_000;

/// So many days ahead a window is looked for that opens; one that a clock skips in one week opens in the next.
pub const DAYS_AHEAD: i64 = 16;

/// Hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days on which it opens; one that goes past midnight ends on the next.
    pub days: Vec<Day>,
    pub from: MinuteOfDay,
    /// Not included.
    pub to: MinuteOfDay,
    /// The place's name in the IANA database, as in `Europe/Berlin`.
    pub zone: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Minutes since midnight, by the clock on the wall; 1440 is the day's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MinuteOfDay(u16);

/// Seconds east of UTC, each from its time on; before the first it is the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets(pub Vec<(Timestamp, i32)>);

/// Every window is shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    /// When the next one opens, as far as can be told.
    pub until: Option<Timestamp>,
    /// A zone whose rules are not known here.
    pub unknown: Option<String>,
}

/// What shuts a rollout out now; nothing: a window is open, or there are none.
pub fn shut(windows: &[Window], zones: &BTreeMap<String, Offsets>, now: Timestamp) -> Option<Shut> {
    if !is_shut(windows, zones, now) {
        return None;
    }
    let unknown = windows.iter().find(|window| !zones.contains_key(&window.zone));
    Some(Shut { until: opens(windows, zones, now), unknown: unknown.map(|window| window.zone.clone()) })
}

/// Whether there are windows, and none of them is open.
pub fn is_shut(windows: &[Window], zones: &BTreeMap<String, Offsets>, at: Timestamp) -> bool {
    let open = |window: &Window| zones.get(&window.zone).is_some_and(|offsets| window.is_open(offsets, at));
    !windows.is_empty() && !windows.iter().any(open)
}

/// The first time after now at which a window is open. A window opens at its hour, by any offset that may be in force
/// then, or when the clocks change.
fn opens(windows: &[Window], zones: &BTreeMap<String, Offsets>, now: Timestamp) -> Option<Timestamp> {
    let mut first: Option<Timestamp> = None;
    for window in windows {
        let Some(offsets) = zones.get(&window.zone) else { continue };
        let today = now.0.saturating_add(offsets.millis_at(now)).div_euclid(MILLIS_A_DAY);
        let starts = (-1..=DAYS_AHEAD).flat_map(|ahead| {
            let local = (today + ahead) * MILLIS_A_DAY + i64::from(window.from.0) * 60_000;
            offsets.0.iter().map(move |(_, offset)| Timestamp(local - i64::from(*offset) * 1000))
        });
        let changes = offsets.0.iter().map(|(from, _)| *from);
        for at in starts.chain(changes) {
            let is_sooner = at > now && first.is_none_or(|first| at < first);
            if is_sooner && window.is_open(offsets, at) {
                first = Some(at);
            }
        }
    }
    first
}

impl Window {
    /// Whether the clock on the wall shows a time within it.
    pub fn is_open(&self, offsets: &Offsets, at: Timestamp) -> bool {
        let local = at.0.saturating_add(offsets.millis_at(at));
        let (day, minute) = (local.div_euclid(MILLIS_A_DAY), local.rem_euclid(MILLIS_A_DAY) / 60_000);
        let (from, to) = (i64::from(self.from.0), i64::from(self.to.0));
        let begins = |day: i64| self.days.contains(&Day::of(day));
        if from < to {
            return begins(day) && from <= minute && minute < to;
        }
        (begins(day) && minute >= from) || (begins(day - 1) && minute < to)
    }

    /// No clock ever shows a time within it.
    pub fn never_opens(&self) -> bool {
        self.days.is_empty() || self.from == self.to || self.from.0 == MINUTES_A_DAY
    }
}

impl Offsets {
    fn millis_at(&self, at: Timestamp) -> i64 {
        let before = self.0.iter().rev().find(|(from, _)| *from <= at);
        before.or(self.0.first()).map_or(0, |(_, offset)| i64::from(*offset) * 1000)
    }
}

impl Day {
    pub const ALL: [Day; 7] =
        [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday, Day::Saturday, Day::Sunday];

    /// Of a day counted from 1970-01-01, a Thursday.
    fn of(day: i64) -> Self {
        let index = (day + 3).rem_euclid(7);
        Self::ALL[usize::try_from(index).expect("it lies between 0 and 6")]
    }

    /// As it is written in a file.
    pub fn word(self) -> &'static str {
        match self {
            Day::Monday => "mon",
            Day::Tuesday => "tue",
            Day::Wednesday => "wed",
            Day::Thursday => "thu",
            Day::Friday => "fri",
            Day::Saturday => "sat",
            Day::Sunday => "sun",
        }
    }
}

impl MinuteOfDay {
    /// `09:00`, up to `24:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let total = hour * 60 + minute;
        (minute < 60 && total <= MINUTES_A_DAY).then_some(Self(total))
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| day.word()).collect();
        write!(f, "{} {} to {} in {}", days.join(" "), self.from, self.to, self.zone)
    }
}
