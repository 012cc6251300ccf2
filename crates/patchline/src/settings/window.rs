//! `[[rollout.window]]`: when a routine rollout may begin or grow.

use patchline_model::window::{Day, MinuteOfDay, Window};
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSection {
    days: Spanned<Vec<Spanned<String>>>,
    from: Spanned<String>,
    to: Spanned<String>,
    time_zone: Spanned<String>,
}

pub fn window_of(section: &Spanned<WindowSection>) -> Result<Window, Problem> {
    let written = section.get_ref();
    let days = written.days.get_ref().iter().map(day).collect::<Result<Vec<_>, _>>()?;
    if days.is_empty() {
        let message = "a window without days never opens, and nothing could be rolled out";
        return Err(Problem::at(written.days.span(), message).hint("name days, as in [\"mon\", \"tue\"]"));
    }
    let (from, to, zone) = (minute(&written.from)?, minute(&written.to)?, zone(&written.time_zone)?);
    let window = Window { days, from, to, zone };
    if window.never_opens() {
        let message = "this window never opens, and nothing could be rolled out";
        return Err(Problem::at(written.to.span(), message)
            .hint("`to` is another time than `from`; a whole day is from \"00:00\" to \"24:00\""));
    }
    Ok(window)
}

fn day(written: &Spanned<String>) -> Result<Day, Problem> {
    let known = Day::ALL.into_iter().find(|day| day.word() == written.get_ref());
    known.ok_or_else(|| {
        let message = format!("`{}` is not a day", written.get_ref());
        Problem::at(written.span(), message).hint("days are mon, tue, wed, thu, fri, sat and sun")
    })
}

fn minute(written: &Spanned<String>) -> Result<MinuteOfDay, Problem> {
    MinuteOfDay::parse(written.get_ref()).ok_or_else(|| {
        let message = format!("`{}` is not a time of the day", written.get_ref());
        Problem::at(written.span(), message).hint("write hours and minutes, as in \"09:00\", up to \"24:00\"")
    })
}

fn zone(written: &Spanned<String>) -> Result<String, Problem> {
    match jiff::tz::TimeZone::get(written.get_ref()) {
        Ok(_) => Ok(written.get_ref().clone()),
        Err(_) => {
            let message = format!("`{}` is not a time zone", written.get_ref());
            Err(Problem::at(written.span(), message)
                .hint("use a name of the IANA database, as in \"Europe/Berlin\" or \"UTC\""))
        }
    }
}
