//! What a chat-completions endpoint answers, and the diff in it. All of it is foreign: it is read, bounded, and believed in
//! nothing.

use serde::Deserialize;

/// Bytes of a diff.
const LARGEST_DIFF: usize = 1 << 20;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) content: String,
    /// Tokens of the question and of the answer.
    pub(crate) tokens: u64,
}

#[derive(Deserialize)]
struct Body {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// The first choice. What can't be read says why, without quoting any of it.
pub(crate) fn read(bytes: &[u8]) -> Result<Answered, &'static str> {
    let body: Body = serde_json::from_slice(bytes)
        .map_err(|_| "the endpoint answered something else than chat completions")?;
    let first = body.choices.into_iter().next().ok_or("the endpoint answered without a choice")?;
    let usage = body.usage.and_then(|usage| {
        let parts = || Some(usage.prompt_tokens?.saturating_add(usage.completion_tokens?));
        usage.total_tokens.or_else(parts)
    });
    let tokens =
        usage.ok_or("the endpoint does not say how many tokens it took, so its budget can't be kept")?;
    Ok(Answered { content: first.message.content.unwrap_or_default(), tokens })
}

/// The unified diff in the first fenced block that holds one. No line of a diff begins with a fence.
pub(crate) fn diff_in(content: &str) -> Result<String, &'static str> {
    let mut block: Option<String> = None;
    for line in content.lines() {
        match (&mut block, line.trim_start().starts_with("```")) {
            (None, true) => block = Some(String::new()),
            (None, false) => {}
            (Some(text), false) => {
                text.push_str(line);
                text.push('\n');
                if text.len() > LARGEST_DIFF {
                    return Err("the diff is too large");
                }
            }
            (Some(text), true) if is_diff(text) => return Ok(std::mem::take(text)),
            (Some(_), true) => block = None,
        }
    }
    Err("there is no fenced block with a unified diff in the answer")
}

fn is_diff(text: &str) -> bool {
    let has = |start: &str| text.lines().any(|line| line.starts_with(start));
    has("--- ") && has("+++ ") && has("@@ ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Answered, LARGEST_DIFF, diff_in, read};

    const DIFF: &str = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";

    #[test]
    fn an_answer_has_a_content_and_a_price() {
        let body = |rest: &str| format!(r#"{{"id":"1","choices":[{{"message":{{"content":"hi"}}}}]{rest}}}"#);
        let answered = |tokens| Ok(Answered { content: "hi".to_owned(), tokens });
        assert_eq!(read(body(r#","usage":{"total_tokens":7}"#).as_bytes()), answered(7));
        let parts = r#","usage":{"prompt_tokens":3,"completion_tokens":2}"#;
        assert_eq!(read(body(parts).as_bytes()), answered(5));
        for (text, says) in [
            (body(""), "how many tokens"),
            (body(r#","usage":{}"#), "how many tokens"),
            (r#"{"choices":[],"usage":{"total_tokens":1}}"#.to_owned(), "without a choice"),
            ("<html>".to_owned(), "something else"),
        ] {
            assert!(read(text.as_bytes()).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn the_first_block_with_a_diff_is_taken() {
        let told = format!("Look:\n```rust\nfn x() {{}}\n```\nand\n```diff\n{DIFF}```\n```diff\nother\n```");
        assert_eq!(diff_in(&told).as_deref(), Ok(DIFF));
        for text in ["", DIFF, "```\n", "```\nx\n```", &format!("```diff\n{DIFF}")] {
            assert!(diff_in(text).is_err(), "{text}");
        }
        let long = format!("```\n{}", "+a\n".repeat(LARGEST_DIFF));
        assert_eq!(diff_in(&long), Err("the diff is too large"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            let _ = read(&bytes);
            if let Ok(diff) = diff_in(&format!("```\n{text}\n```\n```diff\n{DIFF}```")) {
                prop_assert!(diff.contains("@@ "));
            }
        }
    }
}
