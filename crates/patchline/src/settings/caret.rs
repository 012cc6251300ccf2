//! A problem in a file, shown where it stands.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::exit::{Exit, Trouble};

/// A settings file as it was read.
pub struct Source<'a> {
    pub path: String,
    pub text: &'a str,
}

/// What is wrong, where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub span: Option<Range<usize>>,
    pub hint: Option<String>,
}

impl Problem {
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As the terminal shows it: the line with a caret under the place.
    pub fn trouble(self, source: &Source<'_>) -> Trouble {
        let (line, column) = position(source.text, self.span.as_ref().map_or(0, |span| span.start));
        let message = format!("{}:{line}:{column}: {}", source.path, self.message);
        let excerpt = self.span.clone().map(|span| {
            let span = clamp(span, source.text);
            let annotation = AnnotationKind::Primary.span(span);
            let snippet = Snippet::source(source.text).path(source.path.clone()).annotation(annotation);
            let report = [Level::ERROR.primary_title(self.message.clone()).element(snippet)];
            Renderer::plain().render(&report)
        });
        Trouble { exit: Exit::Input, message, hint: self.hint, excerpt }
    }
}

/// A span inside the text, on character boundaries, never empty where the text is not.
fn clamp(span: Range<usize>, text: &str) -> Range<usize> {
    let inside = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = inside(span.start);
    let end = inside(span.end.max(start));
    let first_line = text[start..end].find('\n').map_or(end, |newline| start + newline);
    start..first_line.max(start)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}
