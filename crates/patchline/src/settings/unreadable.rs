//! What a file that is not as its format says is told, with the key that was meant where one is near.

use crate::nearest::nearest;
use crate::settings::caret::Problem;

pub fn unreadable(error: &toml::de::Error) -> Problem {
    let problem = Problem { message: error.message().to_owned(), span: error.span(), hint: None };
    let (Some(wrong), Some(rest)) = (quoted(error.message()), error.message().split_once("expected")) else {
        return problem;
    };
    if !error.message().starts_with("unknown field") {
        return problem;
    }
    let known: Vec<&str> = rest.1.split('`').skip(1).step_by(2).collect();
    match nearest(wrong, &known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("take the key out, or look at the sections that `patchline init` writes"),
    }
}

fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}
