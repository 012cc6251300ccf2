//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

/// What a page is called, where its changes come from, and what it shows.
pub struct Page<'a> {
    pub title: &'a str,
    /// The live stream that keeps the page fresh, if there is one.
    pub stream: Option<&'a str>,
    pub class: &'a str,
    pub body: Markup,
}

pub fn frame(page: Page<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Patchline" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/app.css";
                script src="/assets/app.js" defer {}
            }
            body class=(page.class) data-stream=[page.stream] {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.brand href="/" {
                        svg.logo viewBox="0 0 24 24" aria-hidden="true" {
                            path d="M3 12h5l3-7 4 14 3-7h3" {}
                        }
                        "Patchline"
                    }
                    nav aria-label="Main" {
                        a href="/" { "Board" }
                        a href="/api/v1/patches" { "API" }
                        a href="/metrics" { "Metrics" }
                    }
                    @if page.stream.is_some() {
                        span #live.live role="status" data-state="off" { "not live" }
                    }
                }
                main #main tabindex="-1" { (page.body) }
            }
        }
    }
}

/// A page that says that there is nothing, or that something went wrong.
pub fn notice(title: &str, hint: Option<&str>) -> Markup {
    let body = html! {
        section.card.notice {
            h1 { (title) }
            @if let Some(hint) = hint { p.muted { (hint) } }
            p { a href="/" { "Back to the board" } }
        }
    };
    frame(Page { title, stream: None, class: "plain-page", body })
}
