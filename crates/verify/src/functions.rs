//! The tests that a source file holds, and what they assert, by simple rules for each language.
//!
//! | language | a test is | counted as assertions |
//! | --- | --- | --- |
//! | Rust | a function under an attribute that ends in `test`, `rstest` or `test_case` | `assert…`, `prop_assert…`, `check…`, `panic!`, `should_panic` |
//! | Python | a function `test…` | `assert`, `assert…(`, `raises`, `fail` |
//! | JavaScript, TypeScript | `test("…"`, `it("…"` | `expect(`, `assert…` |
//! | Go | a function `Test…`, `Fuzz…` | `.Error`, `.Errorf`, `.Fatal`, `.Fatalf`, `.Fail`, `.FailNow`, `assert.…`, `require.…` |
//! | Java, Kotlin | a function under `@Test`, `@ParameterizedTest` | `assert…`, `verify`, `fail`, `expect…` |
//!
//! Texts and comments are not told from code but where a body ends.

/// One test and what it asserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestFunction {
    pub(crate) name: String,
    /// Everything but its name, without blanks: by it a renamed test is known.
    pub(crate) body: String,
    pub(crate) assertions: usize,
    /// Those that compare for equality.
    pub(crate) exact: usize,
    /// Those that can't fail, and a return before the first one.
    pub(crate) idle: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Python,
    Script,
    Go,
    Java,
}

/// More than this of one file are not looked at.
const MAX_TESTS: usize = 5000;

const EXACT: [&str; 17] = [
    "assert_eq",
    "prop_assert_eq",
    "debug_assert_eq",
    "assertEqual",
    "assertEquals",
    "assertListEqual",
    "assertDictEqual",
    "assertArrayEquals",
    "assertSame",
    "toBe",
    "toEqual",
    "toStrictEqual",
    "strictEqual",
    "deepEqual",
    "deepStrictEqual",
    "Equal",
    "isEqualTo",
];

/// The tests of this file; none where its language is not known.
pub(crate) fn tests_in(path: &str, text: &str) -> Vec<TestFunction> {
    let language = match path.rsplit_once('.').map(|(_, end)| end) {
        Some("rs") => Language::Rust,
        Some("py") => Language::Python,
        Some("js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts") => Language::Script,
        Some("go") => Language::Go,
        Some("java" | "kt") => Language::Java,
        Some(_) | None => return Vec::new(),
    };
    let mut tests = Vec::new();
    let mut marked = false;
    let mut panics = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, inner) = (at, line.trim());
        at += line.len();
        if tests.len() >= MAX_TESTS {
            break;
        }
        marked |= marks(language, inner);
        panics |= inner.starts_with("#[should_panic");
        let Some(name) = name(language, inner, marked) else { continue };
        marked = false;
        let body = match language {
            Language::Python => indented(&text[start..]),
            Language::Script => enclosed(language, &text[start..], '(', ')'),
            Language::Rust | Language::Go | Language::Java => enclosed(language, &text[start..], '{', '}'),
        };
        tests.push(function(language, name, body, std::mem::take(&mut panics)));
    }
    tests
}

/// Whether the line says that the next function is a test.
fn marks(language: Language, line: &str) -> bool {
    match language {
        Language::Rust => line.split("#[").skip(1).any(|attribute| {
            let path = attribute.split(['(', ']', ' ', '=']).next().unwrap_or_default();
            matches!(path.rsplit("::").next(), Some("test" | "rstest" | "test_case"))
        }),
        Language::Java => line.starts_with("@Test") || line.contains("@ParameterizedTest"),
        Language::Python | Language::Script | Language::Go => false,
    }
}

/// The name of the test that begins in this line.
fn name(language: Language, line: &str, marked: bool) -> Option<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let found = match language {
        Language::Rust if marked => {
            let (before, after) = line.split_once("fn ")?;
            (before.is_empty() || before.ends_with([' ', ']', ')'])).then(|| word(after))?
        }
        Language::Python => {
            let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("def ")?;
            Some(word(rest)).filter(|name| name.starts_with("test"))?
        }
        Language::Go => {
            let name = word(line.strip_prefix("func ")?);
            Some(name).filter(|name| name.starts_with("Test") || name.starts_with("Fuzz"))?
        }
        Language::Java if marked => {
            if line.starts_with('@') && !line.contains('(') {
                return None;
            }
            let line = line.trim_start_matches("@Test").trim_start();
            let before = line.split_once('(').filter(|_| !line.starts_with('@'))?.0;
            let name = before.rsplit(' ').next().map(word)?;
            Some(name).filter(|_| before.contains(' '))?
        }
        Language::Script => {
            let (call, rest) = line.split_once('(')?;
            let runs = [
                "test",
                "it",
                "test.skip",
                "it.skip",
                "test.only",
                "it.only",
                "xit",
                "xtest",
                "await test",
                "await t.test",
                "t.test",
            ];
            runs.contains(&call.trim()).then_some(())?;
            let quote = rest.chars().next().filter(|letter| matches!(letter, '\'' | '"' | '`'))?;
            rest[1..].split(quote).next()?.to_owned()
        }
        Language::Rust | Language::Java => return None,
    };
    (!found.is_empty()).then_some(found)
}

/// From the first opening to what closes it, past texts and comments; to the end of the file where nothing does.
fn enclosed(language: Language, text: &str, opens: char, closes: char) -> &str {
    let (mut depth, mut begun) = (0_usize, None);
    let mut rest = text.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match letter {
            '/' if next == Some('/') => while rest.next_if(|(_, letter)| *letter != '\n').is_some() {},
            '/' if next == Some('*') => {
                let end = text[at + 2..].find("*/").map_or(text.len(), |end| at + 2 + end);
                while rest.next_if(|(here, _)| *here < end).is_some() {}
            }
            '"' | '`' | '\'' if is_quote(language, letter, &text[at..]) => {
                let mut escaped = false;
                while let Some((_, inner)) = rest.next_if(|_| true) {
                    match inner {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        _ if inner == letter => break,
                        _ => {}
                    }
                }
            }
            _ if letter == opens => {
                depth += 1;
                begun.get_or_insert(at);
            }
            _ if letter == closes && begun.is_some() => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[begun.unwrap_or(0)..at + letter.len_utf8()];
                }
            }
            _ => {}
        }
    }
    &text[begun.unwrap_or(text.len())..]
}

/// In Rust and Java a single quote holds one letter, or begins a lifetime.
fn is_quote(language: Language, quote: char, text: &str) -> bool {
    match (quote, language) {
        ('\'', Language::Rust | Language::Java | Language::Go) => {
            text.starts_with("'\\") || text.chars().nth(2) == Some('\'')
        }
        ('`', Language::Rust | Language::Java | Language::Python) => false,
        _ => true,
    }
}

/// The lines that are indented deeper than the first.
fn indented(text: &str) -> &str {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next() else { return "" };
    let mut end = first.len();
    for line in lines {
        if !line.trim().is_empty() && depth(line) <= depth(first) && !line.trim_start().starts_with(')') {
            break;
        }
        end += line.len();
    }
    &text[..end]
}

fn function(language: Language, name: String, body: &str, panics: bool) -> TestFunction {
    let (mut assertions, mut exact) = (usize::from(panics), body.matches("==").count());
    let mut before = '\0';
    let mut rest = body;
    while let Some(start) = rest.find(|letter: char| letter.is_alphanumeric() || letter == '_') {
        let led = rest[..start].chars().next_back().unwrap_or(before);
        let word_end = rest[start..].find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let end = word_end.map_or(rest.len(), |end| start + end);
        let (word, after) = (&rest[start..end], &rest[end..]);
        let next = after.trim_start_matches('!').chars().next().unwrap_or('\0');
        assertions += usize::from(asserts(language, word, led, next));
        exact += usize::from(EXACT.contains(&word));
        before = word.chars().next_back().unwrap_or('\0');
        rest = after;
    }
    let plain: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    let idle = idle(&plain);
    let (own, mark) = (name.clone(), "\0");
    TestFunction { name, body: plain.replace(&own, mark), assertions, exact, idle }
}

fn asserts(language: Language, word: &str, led: char, next: char) -> bool {
    let called = next == '(' || next == '{' || next == '[';
    match language {
        Language::Rust => {
            let begins = ["assert", "prop_assert", "debug_assert", "check"];
            called && (begins.iter().any(|begin| word.starts_with(begin)) || word == "panic")
        }
        Language::Python => {
            word == "assert" || called && (word.starts_with("assert") || matches!(word, "raises" | "fail"))
        }
        Language::Script => {
            called && word == "expect" || word.starts_with("assert") && (called || next == '.')
        }
        Language::Go => {
            let fails = ["Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"];
            led == '.' && called && fails.contains(&word)
                || matches!(word, "assert" | "require") && next == '.'
        }
        Language::Java => {
            let begins = ["assert", "verify", "fail", "expect"];
            called && begins.iter().any(|begin| word.starts_with(begin))
        }
    }
}

/// Assertions that can't fail, in a text without blanks.
fn idle(plain: &str) -> usize {
    const TRUE: [&str; 11] = [
        "assert!(true",
        "assert!(1==1",
        "assertTrue(true",
        "assertTrue(True",
        "assert(true",
        "assert.ok(true",
        "expect(true).toBe(true",
        "expect(true).toBeTruthy",
        "||true)",
        "orTrue",
        "assert1==1",
    ];
    let words: usize = TRUE.iter().map(|word| plain.matches(word).count()).sum();
    // Python has no blank left between the word and what it asserts.
    let python = plain.match_indices("assertTrue").filter(|(at, word)| {
        let rest = &plain[at + word.len()..];
        !rest.starts_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '(' | '_' | '.'))
    });
    let alike = ["assert_eq!(", "assertEqual(", "assertEquals(", "assert.equal(", "assert.strictEqual("];
    let alike = alike.iter().flat_map(|word| plain.match_indices(word)).filter(|(at, word)| {
        let arguments = &plain[at + word.len()..];
        let first = arguments.split([',', ')']).next().unwrap_or_default();
        let rest = arguments.get(first.len() + 1..).unwrap_or_default();
        let simple = !first.is_empty() && !first.contains('(');
        simple && rest.strip_prefix(first).is_some_and(|rest| rest.starts_with([')', ',']))
    });
    let returns = plain.trim_start_matches(['{', '(']).starts_with("return");
    words + python.count() + alike.count() + usize::from(returns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::tests_in;

    /// Name, assertions, exact ones, idle ones.
    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, usize, usize, usize)]) {
        let found = tests_in(path, text);
        let found: Vec<(&str, usize, usize, usize)> =
            found.iter().map(|test| (test.name.as_str(), test.assertions, test.exact, test.idle)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tests_of_rust() {
        let text = "fn helper() { assert!(x); }\n#[test]\nfn keeps() {\n    assert_eq!(f(\"}\"), '}');\n    // assert!\n    check(1);\n}
#[tokio::test(flavor = \"multi_thread\")]\n#[should_panic]\nasync fn loses<'a>() { assert!(true); }\nproptest! {\n  #[test]\n  fn any(n in 0..3) { prop_assert_eq!(n, n); }\n}
#[test]\nfn early() { return; }\n#[test] fn same() { assert_eq!(1, 1); }\n";
        check(
            "a.rs",
            text,
            &[
                ("keeps", 2, 1, 0),
                ("loses", 2, 0, 1),
                ("any", 1, 1, 1),
                ("early", 0, 0, 1),
                ("same", 1, 1, 1),
            ],
        );
    }

    #[test]
    fn tests_of_python() {
        let text = "def helper():\n    assert 1\nclass TestA:\n    def test_a(self):\n        self.assertEqual(1, f())\n\n        assert x == 1\n    def test_b(self):\n        with pytest.raises(E): f()\ndef test_c(): assert True\n";
        check("a.py", text, &[("test_a", 2, 2, 0), ("test_b", 1, 0, 0), ("test_c", 1, 0, 1)]);
    }

    #[test]
    fn tests_of_scripts_go_and_java() {
        let text = "test('adds (1)', () => {\n  expect(add(1, 1)).toBe(2);\n  assert.equal(1, 1);\n});\nit.skip(\"later\", () => {});\n";
        check("a.test.ts", text, &[("adds (1)", 2, 1, 1), ("later", 0, 0, 0)]);
        let text = "func helper() { t.Fatal() }\nfunc TestA(t *testing.T) {\n\tif a == b { t.Errorf(\"}\") }\n\trequire.Equal(t, 1, a)\n}\n";
        check("a_test.go", text, &[("TestA", 2, 2, 0)]);
        let text = "  @Test\n  void adds() {\n    assertEquals(2, add(1, 1));\n  }\n  @Test public void same() { assertTrue(true); }\n  void helper() { fail(); }\n";
        check("ATest.java", text, &[("adds", 1, 1, 0), ("same", 1, 0, 1)]);
        check("a.rb", "it 'x' do expect(1) end", &[]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), pieces in prop::collection::vec(0..8_usize, 0..20)) {
            let all = ["#[test] fn é() {", "'", "\"", "/*", "*/", "def test_x():\n ", "test('é', ", "@Test void a("];
            let mixed: String = pieces.iter().map(|at| all[*at]).chain([text.as_str()]).collect();
            for path in ["a.rs", "a.py", "a.ts", "a.go", "a.java"] {
                tests_in(path, &mixed);
            }
        }
    }
}
