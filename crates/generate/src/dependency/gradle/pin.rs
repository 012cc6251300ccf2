//! A constraint in a build script: what comes along gets at least this version, whoever asks for a lower one.

use crate::dependency::gradle::token::{Kind, Token, tokens};
use crate::dependency::maven::splice::Splice;

/// Configuration, module and version.
pub(crate) type Pin = (String, String, String);

/// Constraints for these, in the way that the script is written; none where it has no block of dependencies of its own.
pub(crate) fn pins(text: &str, is_kotlin: bool, pins: &[Pin]) -> Option<Splice> {
    let tokens = tokens(text, is_kotlin);
    let (open, close) = block(text, &tokens, "dependencies", 0)?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let unit = unit(text, &tokens[open..close]);
    let line = |(bucket, module, version): &Pin, depth: usize| {
        let indent = unit.repeat(depth);
        if is_kotlin {
            // Names that come with a plugin are words only where that is applied in a certain way; as texts they always do.
            let is_word = word(text, &tokens, bucket);
            let bucket = if is_word { bucket.clone() } else { format!("\"{bucket}\"") };
            format!("{indent}{bucket}(\"{module}:{version}\"){newline}")
        } else {
            format!("{indent}{bucket} '{module}:{version}'{newline}")
        }
    };
    let inner = tokens.get(open..=close)?;
    if let Some((_, end)) = block(text, inner, "constraints", 1) {
        let lines: String = pins.iter().map(|pin| line(pin, 2)).collect();
        return Some(before(text, inner[end].range.start, &lines, &unit, newline));
    }
    let lines: String = pins.iter().map(|pin| line(pin, 2)).collect();
    let lines = format!("{unit}constraints {{{newline}{lines}{unit}}}{newline}");
    Some(before(text, tokens[close].range.start, &lines, "", newline))
}

/// Lines before a closing brace, which stays on a line of its own or gets one.
fn before(text: &str, brace: usize, lines: &str, indent: &str, newline: &str) -> Splice {
    let start = text[..brace].rfind('\n').map_or(0, |at| at + 1);
    if text[start..brace].trim().is_empty() && start > 0 {
        return Splice { start, end: start, text: lines.to_owned() };
    }
    let start = text[..brace].trim_end().len();
    Splice { start, end: brace, text: format!("{newline}{lines}{indent}") }
}

/// The braces of a block of this name, as places among the tokens.
fn block(text: &str, tokens: &[Token], name: &str, depth: usize) -> Option<(usize, usize)> {
    let is_it = |at: usize| {
        let (word, brace) = (&tokens[at], tokens.get(at + 1));
        let is_free = at == 0 || !tokens[at - 1].is_sign(b'.');
        word.kind == Kind::Word
            && word.depth == depth
            && is_free
            && text[word.range.clone()] == *name
            && brace.is_some_and(|brace| brace.is_sign(b'{'))
    };
    let open = (0..tokens.len()).find(|at| is_it(*at))? + 1;
    let closes = |token: &&Token| token.is_sign(b'}') && token.depth == depth;
    let close = open + tokens[open..].iter().position(|token| closes(&token))?;
    Some((open, close))
}

/// What a line in the block is indented by.
fn unit(text: &str, block: &[Token]) -> String {
    let indent = block.get(1).and_then(|first| {
        let line = text[..first.range.start].rsplit('\n').next()?;
        let is_blank = !line.is_empty() && line.chars().all(|letter| matches!(letter, ' ' | '\t'));
        is_blank.then(|| line.to_owned())
    });
    indent.unwrap_or_else(|| "    ".to_owned())
}

/// Whether the script calls something by this name.
fn word(text: &str, tokens: &[Token], name: &str) -> bool {
    tokens.windows(2).any(|pair| {
        pair[0].kind == Kind::Word && text[pair[0].range.clone()] == *name && pair[1].is_sign(b'(')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::pins;
    use crate::dependency::maven::splice::spliced;

    fn pinned(text: &str, is_kotlin: bool) -> Option<String> {
        let pin = ("implementation".to_owned(), "t:d".to_owned(), "1.1".to_owned());
        spliced(text, &[pins(text, is_kotlin, &[pin])?])
    }

    #[test]
    fn a_constraint_comes_in_as_the_script_is_written() {
        let check = |given: &str, is_kotlin: bool, then: &str| {
            assert_eq!(pinned(given, is_kotlin).as_deref(), Some(then), "{given}");
        };
        check(
            "dependencies {\n  api 't:c:1' // x\n}\n",
            false,
            "dependencies {\n  api 't:c:1' // x\n  constraints {\n    implementation 't:d:1.1'\n  }\n}\n",
        );
        check(
            "dependencies {\r\n\tconstraints {\r\n\t\tapi 't:e:1'\r\n\t}\r\n}\r\n",
            false,
            "dependencies {\r\n\tconstraints {\r\n\t\tapi 't:e:1'\r\n\t\timplementation 't:d:1.1'\r\n\t}\r\n}\r\n",
        );
        check(
            "buildscript { dependencies { classpath 'x:y:1' } }\ndependencies { api 't:c:1' }\n",
            false,
            "buildscript { dependencies { classpath 'x:y:1' } }\ndependencies { api 't:c:1'\n    constraints {\n        implementation 't:d:1.1'\n    }\n}\n",
        );
        check(
            "dependencies {\n    implementation(\"t:c:1\")\n}\n",
            true,
            "dependencies {\n    implementation(\"t:c:1\")\n    constraints {\n        implementation(\"t:d:1.1\")\n    }\n}\n",
        );
        check(
            "dependencies {\n    api(\"t:c:1\")\n}\n",
            true,
            "dependencies {\n    api(\"t:c:1\")\n    constraints {\n        \"implementation\"(\"t:d:1.1\")\n    }\n}\n",
        );
        assert_eq!(pinned("subprojects { dependencies { api 't:c:1' } }", false), None);
        assert_eq!(pinned("// dependencies { }", false), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(dependencies|constraints| \\{|\\}|\n|'a'|\"|//|é|  ){0,16}", is_kotlin in proptest::bool::ANY) {
            if let Some(changed) = pinned(&text, is_kotlin) {
                prop_assert!(changed.contains("t:d:1.1"));
            }
        }
    }
}
