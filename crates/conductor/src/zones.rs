//! Time-zone rules, read from the system's database or, where it has none, from the one that is built in; the model gets
//! them as data.

use patchline_model::context::Board;
use patchline_model::patch::Patch;
use patchline_model::time::{Seconds, Timestamp};
use patchline_model::window::{DAYS_AHEAD, Offsets};

const DAY: u64 = 86_400;

/// The board with the offsets of every place that these patches go by. A zone that nobody knows stays out: what goes by
/// it is held and says so.
pub fn on<'a>(mut board: Board, patches: impl IntoIterator<Item = &'a Patch>, now: Timestamp) -> Board {
    let runs = patches.into_iter().filter_map(|patch| patch.opening.as_ref()?.service.run.as_ref());
    for window in runs.flat_map(|run| &run.windows) {
        if !board.zones.contains_key(&window.zone)
            && let Some(offsets) = offsets(&window.zone, now)
        {
            board.zones.insert(window.zone.clone(), offsets);
        }
    }
    board
}

/// The offsets of a place, from a few days before now until beyond the time that windows are looked for.
pub fn offsets(zone: &str, now: Timestamp) -> Option<Offsets> {
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let first =
        jiff::Timestamp::from_millisecond(now.0.saturating_sub((3 * DAY * 1000).cast_signed())).ok()?;
    let last = now.after(Seconds((DAYS_AHEAD.cast_unsigned() + 3) * DAY));
    let begin = (Timestamp(first.as_millisecond()), zone.to_offset(first).seconds());
    // Of a zone whose file says nothing of the time after its last change, that change comes again and again.
    let mut newest = begin.0;
    let comes_next = |(at, _): &(Timestamp, i32)| *at <= last && *at > std::mem::replace(&mut newest, *at);
    let changes = zone
        .following(first)
        .map(|change| (Timestamp(change.timestamp().as_millisecond()), change.offset().seconds()))
        .take_while(comes_next);
    Some(Offsets([begin].into_iter().chain(changes).collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use patchline_model::time::{Seconds, Timestamp};
    use patchline_model::window::{Day, MinuteOfDay, Window, shut};

    use super::offsets;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    fn window(days: &[Day], from: &str, to: &str, zone: &str) -> Window {
        let minute = |text: &str| MinuteOfDay::parse(text).expect("a time of the day");
        Window { days: days.to_vec(), from: minute(from), to: minute(to), zone: zone.to_owned() }
    }

    /// Given the window, at this time: open, or shut until then.
    fn check(window: &Window, now: &str, then: Option<&str>) {
        let zones: BTreeMap<_, _> =
            offsets(&window.zone, at(now)).map(|known| (window.zone.clone(), known)).into_iter().collect();
        let shut = shut(std::slice::from_ref(window), &zones, at(now));
        let until = shut.map(|shut| shut.until.expect("it opens some day").to_string());
        let then = then.map(|text| at(text).to_string());
        assert_eq!(until, then, "{window} at {now}");
    }

    const WORKDAYS: [Day; 5] = [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday];

    #[test]
    fn office_hours_follow_the_clock_on_the_wall() {
        let office = window(&WORKDAYS, "09:00", "17:00", "Europe/Berlin");
        check(&office, "2026-01-05T07:59:59Z", Some("2026-01-05T08:00:00Z"));
        check(&office, "2026-01-05T08:00:00Z", None);
        check(&office, "2026-01-05T15:59:59Z", None);
        check(&office, "2026-01-05T16:00:00Z", Some("2026-01-06T08:00:00Z"));
        // Summer time begins on Sunday, 29 March: Monday's hours are one earlier in UTC.
        check(&office, "2026-03-27T16:00:00Z", Some("2026-03-30T07:00:00Z"));
        check(&office, "2026-10-23T15:00:00Z", Some("2026-10-26T08:00:00Z"));
    }

    #[test]
    fn what_the_clock_skips_is_not_open_and_what_it_shows_twice_is_open_twice() {
        // At 02:00 on 29 March the clocks of Berlin show 03:00.
        let gap = window(&[Day::Sunday], "02:15", "02:45", "Europe/Berlin");
        check(&gap, "2026-03-28T12:00:00Z", Some("2026-04-05T00:15:00Z"));
        let over = window(&[Day::Sunday], "02:30", "05:00", "Europe/Berlin");
        check(&over, "2026-03-29T00:59:59Z", Some("2026-03-29T01:00:00Z"));
        // At 03:00 on 25 October they show 02:00 again.
        let fold = window(&[Day::Sunday], "02:15", "02:45", "Europe/Berlin");
        check(&fold, "2026-10-24T23:59:00Z", Some("2026-10-25T00:15:00Z"));
        check(&fold, "2026-10-25T00:20:00Z", None);
        check(&fold, "2026-10-25T00:45:00Z", Some("2026-10-25T01:15:00Z"));
        check(&fold, "2026-10-25T01:20:00Z", None);
        check(&fold, "2026-10-25T01:45:00Z", Some("2026-11-01T01:15:00Z"));
    }

    #[test]
    fn zones_with_odd_rules_are_followed() {
        // Lord Howe Island sets its clocks by half an hour, at 02:00 on 4 October 2026.
        let gap = window(&[Day::Sunday], "02:00", "03:00", "Australia/Lord_Howe");
        check(&gap, "2026-10-03T15:29:59Z", Some("2026-10-03T15:30:00Z"));
        // Cairo's day of the change has no midnight: on 24 April 2026 it begins at 01:00.
        let day = window(&[Day::Friday], "00:00", "24:00", "Africa/Cairo");
        check(&day, "2026-04-23T21:59:59Z", Some("2026-04-23T22:00:00Z"));
        let nepal = window(&[Day::Monday], "00:00", "00:15", "Asia/Kathmandu");
        check(&nepal, "2026-01-04T18:14:59Z", Some("2026-01-04T18:15:00Z"));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = window(&[Day::Friday], "22:00", "04:00", "America/New_York");
        check(&night, "2026-01-10T02:59:59Z", Some("2026-01-10T03:00:00Z"));
        check(&night, "2026-01-10T08:59:59Z", None);
        check(&night, "2026-01-10T09:00:00Z", Some("2026-01-17T03:00:00Z"));
        let always = window(&Day::ALL, "00:00", "24:00", "UTC");
        check(&always, "2026-01-10T00:00:00Z", None);
    }

    /// The answer is the first second at which the clock, asked directly, shows a time within the window.
    #[test]
    fn the_hour_that_is_promised_is_the_first_that_is_open() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"] {
            for (days, from, to) in [
                (&[Day::Sunday][..], "02:15", "02:45"),
                (&[Day::Sunday, Day::Wednesday][..], "23:30", "00:30"),
                (&WORKDAYS[..], "09:00", "17:00"),
            ] {
                let window = window(days, from, to, zone);
                for (from, hours) in [("2026-03-05T00:00:00Z", 800), ("2026-09-30T00:00:00Z", 900)] {
                    for hour in (0..hours).step_by(11) {
                        let now = at(from).after(Seconds(hour * 3600));
                        let known = offsets(zone, now).expect("it is known");
                        let zones = BTreeMap::from([(zone.to_owned(), known)]);
                        let told = shut(std::slice::from_ref(&window), &zones, now);
                        let told = told.map(|shut| shut.until.expect("it opens some day"));
                        let wall = jiff::tz::TimeZone::get(zone).expect("it is known");
                        let open = |minute: u64| {
                            let at = jiff::Timestamp::from_millisecond(now.after(Seconds(minute * 60)).0);
                            let shows = at.expect("in range").to_zoned_datetime(wall.clone());
                            let minute = i64::from(shows.hour()) * 60 + i64::from(shows.minute());
                            within(&window, shows.weekday().to_monday_zero_offset(), minute)
                        };
                        let first = (0..).find(|minute| open(*minute)).expect("it opens some day");
                        let first = (first > 0).then(|| now.after(Seconds(first * 60)));
                        assert_eq!(told, first, "{window} at {now}");
                    }
                }
            }
        }
    }

    fn within(window: &Window, weekday: i8, minute: i64) -> bool {
        let of = |text: String| {
            let (hour, minute) = text.split_once(':').expect("a time of the day");
            hour.parse::<i64>().expect("hours") * 60 + minute.parse::<i64>().expect("minutes")
        };
        let (from, to) = (of(window.from.to_string()), of(window.to.to_string()));
        let on = |weekday: i8| {
            let index = usize::try_from(weekday.rem_euclid(7)).expect("a day of the week");
            window.days.contains(&Day::ALL[index])
        };
        if from < to {
            on(weekday) && (from..to).contains(&minute)
        } else {
            (on(weekday) && minute >= from) || (on(weekday - 1) && minute < to)
        }
    }

    #[test]
    fn a_place_that_nobody_knows_has_no_offsets() {
        assert_eq!(offsets("Mars/Olympus", at("2026-01-01T00:00:00Z")), None);
    }
}
