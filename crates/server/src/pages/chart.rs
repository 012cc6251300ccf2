//! Charts as SVG, drawn on the server: pure functions from a rollout's series. Colours come from classes, and no line
//! is told from another by colour alone.

use maud::{Markup, html};
use patchline_model::view::story::Mood;

use crate::pages::scale::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, clock, short, ticks, tidy, times};
use crate::pages::series::{Level, Mark, Point, Series};
use crate::pages::words;

/// About the width of one letter.
const LETTER: f64 = 5.8;

/// One line: its class says colour and dash, `None` breaks it.
struct Line {
    class: &'static str,
    name: &'static str,
    points: Vec<(f64, Option<f64>)>,
    is_stepped: bool,
}

/// A height that matters.
struct Threshold {
    class: &'static str,
    text: String,
    at: f64,
    /// On which side the words stand, so that two thresholds near each other can both be read.
    is_left: bool,
}

/// One chart.
struct Panel<'a> {
    title: &'static str,
    series: &'a Series,
    low: f64,
    high: f64,
    lines: Vec<Line>,
    thresholds: Vec<Threshold>,
    label: fn(f64) -> String,
    names_marks: bool,
}

/// All charts of a rollout.
pub fn charts(series: &Series) -> Markup {
    html! {
        div.charts {
            (draw(&share(series)))
            (draw(&requests(series)))
            (draw(&errors(series)))
            (draw(&evidence(series)))
        }
    }
}

fn share(series: &Series) -> Panel<'_> {
    let mut points: Vec<(f64, Option<f64>)> =
        series.shares.iter().map(|(at, share)| (*at, Some(share * 100.0))).collect();
    points.extend(points.last().map(|(_, last)| (series.seconds, *last)));
    let lines = vec![Line { class: "share", name: "canary", points, is_stepped: true }];
    let label = |value| format!("{value:.0} %");
    Panel {
        title: "Share of the traffic",
        series,
        low: 0.0,
        high: 100.0,
        lines,
        thresholds: Vec::new(),
        label,
        names_marks: true,
    }
}

fn requests(series: &Series) -> Panel<'_> {
    let lines = vec![
        Line {
            class: "stable",
            name: "stable",
            points: series.request_rates(|point| point.stable),
            is_stepped: false,
        },
        Line {
            class: "canary",
            name: "canary",
            points: series.request_rates(|point| point.canary),
            is_stepped: false,
        },
    ];
    let high = highest(&lines).max(1.0);
    let label = |value: f64| format!("{}/s", short(value));
    Panel {
        title: "Requests per second",
        series,
        low: 0.0,
        high,
        lines,
        thresholds: Vec::new(),
        label,
        names_marks: false,
    }
}

fn errors(series: &Series) -> Panel<'_> {
    let percent = |points: Vec<(f64, Option<f64>)>| -> Vec<(f64, Option<f64>)> {
        points.into_iter().map(|(at, rate)| (at, rate.map(|rate| rate * 100.0))).collect()
    };
    let lines = vec![
        Line {
            class: "stable",
            name: "stable",
            points: percent(series.error_rates(|point| point.stable)),
            is_stepped: false,
        },
        Line {
            class: "canary",
            name: "canary",
            points: percent(series.error_rates(|point| point.canary)),
            is_stepped: false,
        },
    ];
    let high = highest(&lines).clamp(1.0, 100.0);
    let label = |value: f64| format!("{} %", short(value));
    Panel {
        title: "Failed requests, over 5 looks",
        series,
        low: 0.0,
        high,
        lines,
        thresholds: Vec::new(),
        label,
        names_marks: false,
    }
}

/// Evidence far below zero says no more than evidence somewhat below: the drawing ends there.
fn evidence(series: &Series) -> Panel<'_> {
    let line = |class, name, level: fn(&Point) -> Option<Level>| Line {
        class,
        name,
        points: series.levels(level),
        is_stepped: false,
    };
    let lines = vec![
        line("harm", "go back", |point| point.harm),
        line("promotion", "promote", |point| point.promotion),
    ];
    let last = |level: fn(&Point) -> Option<Level>| series.points.iter().rev().find_map(level);
    let threshold = |class, text: &str, level: Option<Level>| {
        level.filter(|level| level.threshold.is_finite()).map(|level| Threshold {
            class,
            text: format!("{text} at {}", short(level.threshold)),
            at: level.threshold,
            is_left: class == "harm",
        })
    };
    let thresholds: Vec<Threshold> = [
        threshold("harm", "back", last(|point| point.harm)),
        threshold("promotion", "promote", last(|point| point.promotion)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let limit = thresholds.iter().map(|threshold| threshold.at.abs()).fold(1.0, f64::max).min(1e6);
    let high = highest(&lines).clamp(limit * 1.25, limit * 2.5);
    let low = lowest(&lines).clamp(-limit, -0.25 * limit);
    let label = |value: f64| short(value);
    Panel { title: "Evidence, log e", series, low, high, lines, thresholds, label, names_marks: false }
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines
        .iter()
        .flat_map(|line| &line.points)
        .filter_map(|(_, value)| *value)
        .filter(|value| value.is_finite())
}

fn highest(lines: &[Line]) -> f64 {
    values(lines).fold(0.0, f64::max).min(1e15)
}

fn lowest(lines: &[Line]) -> f64 {
    values(lines).fold(0.0, f64::min).max(-1e15)
}

fn draw(panel: &Panel<'_>) -> Markup {
    let scale = Scale::new(panel.series.seconds, panel.low, panel.high);
    html! {
        figure.chart {
            figcaption {
                span.chart-title { (panel.title) }
                ul.legend role="list" { @for line in &panel.lines { (key(panel, line)) } }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(said(panel)) {
                @for (from, to) in panel.series.gaps() { (band(&scale, from, to)) }
                (axes(panel, &scale))
                @for threshold in &panel.thresholds { (limit(&scale, threshold)) }
                (marks(panel, &scale))
                @for line in &panel.lines {
                    @if line.is_stepped { path class={ "area " (line.class) } d=(area(&scale, line)) {} }
                    path class={ "line " (line.class) } d=(path(&scale, line)) {}
                }
            }
        }
    }
}

/// The line's name with a sample of it and its newest value.
fn key(panel: &Panel<'_>, line: &Line) -> Markup {
    html! {
        li {
            svg.key viewBox="0 0 22 8" aria-hidden="true" { path class={ "line " (line.class) } d="M0 4H22" {} }
            (line.name)
            @if let Some(newest) = newest(line) { " " strong { ((panel.label)(newest)) } }
        }
    }
}

fn newest(line: &Line) -> Option<f64> {
    line.points.iter().rev().find_map(|(_, value)| *value).filter(|value| value.is_finite())
}

/// What the chart shows, for those who can't see it.
fn said(panel: &Panel<'_>) -> String {
    let newest = panel
        .lines
        .iter()
        .filter_map(|line| newest(line).map(|value| format!("{} {}", line.name, (panel.label)(value))));
    let newest: Vec<String> = newest.collect();
    format!("{} over {}; newest: {}", panel.title, words::span(panel.series.seconds), newest.join(", "))
}

fn axes(panel: &Panel<'_>, scale: &Scale) -> Markup {
    html! {
        @for value in ticks(scale.low, scale.high, 4) {
            line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(scale.y(value)) y2=(scale.y(value)) {}
            text.tick x=(LEFT - 5.0) y=(scale.y(value)) dy="0.32em" text-anchor="end" { ((panel.label)(value)) }
        }
        @for value in times(scale.seconds) {
            text.tick x=(scale.x(value)) y=(HEIGHT - 6.0) text-anchor="middle" { (clock(value, scale.seconds)) }
        }
        line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(scale.y(scale.low.max(0.0))) y2=(scale.y(scale.low.max(0.0))) {}
    }
}

fn band(scale: &Scale, from: f64, to: f64) -> Markup {
    let (left, right) = (scale.x(from), scale.x(to));
    html! {
        rect.missing x=(left) y=(TOP) width=(tidy(right - left)) height=(tidy(HEIGHT - TOP - BOTTOM)) {
            title { "no data" }
        }
    }
}

fn limit(scale: &Scale, threshold: &Threshold) -> Markup {
    let y = scale.y(threshold.at);
    html! {
        line class={ "threshold " (threshold.class) } x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
        @let (x, anchor) = if threshold.is_left { (LEFT + 4.0, "start") } else { (WIDTH - RIGHT - 4.0, "end") };
        text class={ "threshold-text " (threshold.class) } x=(x) y=(tidy(y - 3.5)) text-anchor=(anchor) { (threshold.text) }
    }
}

fn marks(panel: &Panel<'_>, scale: &Scale) -> Markup {
    let marks = &panel.series.marks;
    let labels = if panel.names_marks { labels(marks, scale) } else { Vec::new() };
    html! {
        @for mark in marks {
            @let x = scale.x(mark.at);
            line class={ "mark " (words::mood_class(mark.mood)) } x1=(x) x2=(x) y1=(TOP) y2=(HEIGHT - BOTTOM) {
                title { (mark.text) }
            }
        }
        @for label in labels {
            text class={ "mark-text " (words::mood_class(label.mark.mood)) } x=(label.left) y=(TOP - 5.0) { (label.mark.text) }
        }
    }
}

/// A mark's words, and the room that they take.
struct Label<'a> {
    mark: &'a Mark,
    left: f64,
    right: f64,
}

/// The words that have room: decisions first, then what merely happened.
fn labels<'a>(marks: &'a [Mark], scale: &Scale) -> Vec<Label<'a>> {
    let weight = |mood: Mood| match mood {
        Mood::Bad => 0,
        Mood::Good => 1,
        Mood::Warn => 2,
        Mood::Plain => 3,
    };
    let mut ranked: Vec<&Mark> = marks.iter().collect();
    ranked.sort_by_key(|mark| weight(mark.mood));
    let mut placed: Vec<Label<'_>> = Vec::new();
    for mark in ranked {
        let width = mark.text.chars().count() as f64 * LETTER;
        let left = tidy((scale.x(mark.at) + 2.0).min(WIDTH - width).max(0.0));
        let right = left + width;
        if placed.iter().all(|other| right + 4.0 < other.left || other.right + 4.0 < left) {
            placed.push(Label { mark, left, right });
        }
    }
    placed
}

fn path(scale: &Scale, line: &Line) -> String {
    let mut text = String::new();
    let mut is_drawing = false;
    for (index, (at, value)) in line.points.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            is_drawing = false;
            continue;
        };
        let (x, y) = (scale.x(*at), scale.y(value));
        match (is_drawing, line.is_stepped) {
            (true, true) => text.push_str(&format!("H{x}V{y}")),
            (true, false) => text.push_str(&format!("L{x} {y}")),
            (false, _) => text.push_str(&format!("M{x} {y}")),
        }
        let is_alone = !is_drawing && line.points.get(index + 1).is_none_or(|(_, next)| next.is_none());
        if is_alone {
            // A point between two gaps is a dot.
            text.push_str("h0.5");
        }
        is_drawing = true;
    }
    text
}

/// The stepped line, closed along the bottom.
fn area(scale: &Scale, line: &Line) -> String {
    let (Some((first, _)), Some((last, _))) = (line.points.first(), line.points.last()) else {
        return String::new();
    };
    let bottom = scale.y(scale.low);
    let top = path(scale, line).replacen('M', "L", 1);
    format!("M{} {bottom}{top}L{} {bottom}Z", scale.x(*first), scale.x(*last))
}

#[cfg(test)]
mod tests {
    use super::charts;
    use crate::pages::series::{Counted, Level, Mark, Point, Series};
    use patchline_model::view::story::Mood;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>(), 0.0..100.0, Just(f64::NAN), Just(f64::INFINITY), Just(-0.0)]
    }

    fn any_counted() -> impl Strategy<Value = Option<Counted>> {
        proptest::option::of(
            (any::<u64>(), any::<u64>()).prop_map(|(requests, errors)| Counted { requests, errors }),
        )
    }

    fn any_level() -> impl Strategy<Value = Option<Level>> {
        proptest::option::of(
            (any_number(), any_number()).prop_map(|(log, threshold)| Level { log, threshold }),
        )
    }

    fn any_point() -> impl Strategy<Value = Point> {
        (any_number(), any_number(), any_counted(), any_counted(), any_level(), any_level()).prop_map(
            |(at, span, canary, stable, harm, promotion)| Point {
                at,
                span,
                canary,
                stable,
                harm,
                promotion,
                is_late: false,
            },
        )
    }

    fn any_series() -> impl Strategy<Value = Series> {
        let marks = (any_number(), ".{0,8}").prop_map(|(at, text)| Mark { at, text, mood: Mood::Plain });
        let shares = proptest::collection::vec((any_number(), any_number()), 0..8);
        let points = proptest::collection::vec(any_point(), 0..30);
        (any_number(), shares, points, proptest::collection::vec(marks, 0..8))
            .prop_map(|(seconds, shares, points, marks)| Series { seconds, shares, points, marks })
    }

    /// Every number in a place attribute, and every number of a path.
    fn places(svg: &str) -> Vec<f64> {
        let attributes = [" x=\"", " x1=\"", " x2=\"", " y=\"", " y1=\"", " y2=\"", " d=\""];
        let values = attributes
            .iter()
            .flat_map(|name| svg.split(name).skip(1))
            .filter_map(|rest| rest.split('"').next());
        let numbers = values.flat_map(|value| value.split(|letter: char| "MLHVZhv ".contains(letter)));
        numbers
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().expect("a place is a number"))
            .collect()
    }

    proptest! {
        #[test]
        fn whatever_comes_in_every_place_lies_in_the_drawing(series in any_series()) {
            let svg = charts(&series).into_string();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
            for place in places(&svg) {
                prop_assert!((-1.0..=500.0).contains(&place), "{place}");
            }
        }
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let point = |at: f64, requests: Option<u64>| Point {
            at,
            span: 1.0,
            canary: requests.map(|requests| Counted { requests, errors: 0 }),
            stable: Some(Counted { requests: 10, errors: 0 }),
            ..Point::default()
        };
        let points = vec![
            point(1.0, Some(5)),
            point(2.0, Some(5)),
            point(3.0, None),
            point(4.0, Some(5)),
            point(5.0, Some(5)),
        ];
        let svg = charts(&Series { seconds: 5.0, points, ..Series::default() }).into_string();
        let canary =
            svg.split("class=\"line canary\" d=\"").nth(2).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(canary.matches('M').count(), 2, "{canary}");
        assert!(svg.contains("no data"), "the gap is shown as missing");
    }
}
