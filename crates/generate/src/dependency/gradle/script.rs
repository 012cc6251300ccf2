//! What a build script declares, where it says so in a way that can be read without running it: coordinates in one text, in
//! named parts, and variables that hold a version.

use std::ops::Range;

use crate::dependency::gradle::token::{Kind, Token, tokens};

/// A module that is asked for somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    /// As in `group:artifact`.
    pub(crate) module: String,
    pub(crate) version: Stated,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stated {
    /// As it stands there.
    Here(Range<usize>),
    /// By a variable: its name, and what takes its place where the version itself is to stand, with quotes where that needs some.
    By { variable: String, usage: Range<usize>, quote: &'static str },
    /// It is left to somebody else to say.
    Nowhere,
    /// In a way that can't be read.
    Unread,
}

/// A variable that gets a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Range<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) declared: Vec<Declared>,
    pub(crate) variables: Vec<Variable>,
    /// Names that are put in or used as words, once for each time, but for where they get their value.
    pub(crate) used: Vec<String>,
}

/// Reads a script in Groovy or Kotlin.
pub(crate) fn script(text: &str, is_kotlin: bool) -> Script {
    let tokens = tokens(text, is_kotlin);
    let mut found = Script::default();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Text(_, puts_in) => {
                let inner = token.inner();
                if puts_in {
                    found.used.extend(put_in(&text[inner.clone()]).into_iter().map(|(name, _)| name));
                }
                if let Some(declared) = coordinates(text, inner, puts_in) {
                    found.declared.push(declared);
                }
            }
            Kind::Word => {
                let word = &text[token.range.clone()];
                if word == "group" {
                    found.declared.extend(parts(text, &tokens[at..], is_kotlin));
                }
                match variable(text, &tokens[at..]) {
                    Some(variable) => found.variables.push(variable),
                    None if is_property(text, &tokens[at..]) => {}
                    None => found.used.push(word.to_owned()),
                }
            }
            Kind::Sign(b'[') => found.variables.extend(variable(text, &tokens[at..])),
            Kind::Sign(_) => {}
        }
    }
    found
}

/// As in `group:artifact:version`, with a classifier or an extension behind it where there is one.
fn coordinates(text: &str, range: Range<usize>, puts_in: bool) -> Option<Declared> {
    let inner = &text[range.clone()];
    let mut parts = inner.splitn(3, ':');
    let (group, artifact) = (parts.next()?, parts.next()?);
    let rest = parts.next();
    let plain_end = artifact.find('@').unwrap_or(artifact.len());
    [group, &artifact[..plain_end]].into_iter().all(is_name).then_some(())?;
    let module = format!("{group}:{}", &artifact[..plain_end]);
    let Some(rest) = rest else { return Some(Declared { module, version: Stated::Nowhere }) };
    let start = range.end - rest.len();
    if puts_in && rest.contains('$') {
        let version = match put_in(rest).as_slice() {
            [(variable, usage)] if usage.start == 0 && ends(&rest[usage.end..]) => Stated::By {
                variable: variable.clone(),
                usage: start + usage.start..start + usage.end,
                quote: "",
            },
            _ => Stated::Unread,
        };
        return Some(Declared { module, version });
    }
    // `!!` is Gradle's short way to say strictly.
    let length = rest.find([':', '@', '!']).unwrap_or(rest.len());
    let version =
        if is_version(&rest[..length]) { Stated::Here(start..start + length) } else { Stated::Unread };
    Some(Declared { module, version })
}

fn ends(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([':', '@', '!'])
}

/// As in `group: 'g', name: 'a', version: 'v'`, in Kotlin with `=`.
fn parts(text: &str, tokens: &[Token], is_kotlin: bool) -> Option<Declared> {
    let sign = if is_kotlin { b'=' } else { b':' };
    let mut at = 0;
    let mut next = |name: &str| -> Option<&Token> {
        let key = tokens.get(at)?;
        (key.kind == Kind::Word && text[key.range.clone()] == *name).then_some(())?;
        tokens.get(at + 1)?.is_sign(sign).then_some(())?;
        let value = tokens.get(at + 2)?;
        let is_more = tokens.get(at + 3).is_some_and(|token| token.is_sign(b','));
        at += if is_more { 4 } else { 3 };
        Some(value)
    };
    let (group, name) = (next("group")?, next("name")?);
    let module = format!("{}:{}", &text[group.inner()], &text[name.inner()]);
    (group.is_text() && name.is_text()).then_some(())?;
    module.split(':').all(is_name).then_some(())?;
    let version = match next("version") {
        None => Stated::Nowhere,
        Some(value) if value.kind == Kind::Word => Stated::By {
            variable: text[value.range.clone()].to_owned(),
            usage: value.range.clone(),
            quote: if is_kotlin { "\"" } else { "'" },
        },
        Some(value) if is_version(&text[value.inner()]) => Stated::Here(value.inner()),
        Some(_) => Stated::Unread,
    };
    Some(Declared { module, version })
}

/// As in `name = 'text'`, `name by extra("text")`, `["name"] = "text"` and `name: 'text'`.
fn variable(text: &str, tokens: &[Token]) -> Option<Variable> {
    let word = |at: usize| tokens.get(at).map(|token| &text[token.range.clone()]);
    let value = |at: usize| tokens.get(at).filter(|token| token.is_text()).map(Token::inner);
    let (name, value) = match word(0)? {
        "[" if word(2) == Some("]") && word(3) == Some("=") => (text[value(1)?].to_owned(), value(4)?),
        name if word(1) == Some("=") || word(1) == Some(":") => (name.to_owned(), value(2)?),
        name if word(1) == Some("by") && word(2) == Some("extra") && word(3) == Some("(") => {
            (name.to_owned(), value(4)?)
        }
        _ => return None,
    };
    (is_variable(&name) && is_version(&text[value.clone()])).then_some(Variable { name, value })
}

/// As in `name by project` and `name: String by settings`: it is named here, and gets its value from `gradle.properties`.
fn is_property(text: &str, tokens: &[Token]) -> bool {
    let word = |at: usize| tokens.get(at).map(|token| &text[token.range.clone()]);
    let at = if word(1) == Some(":") { 3 } else { 1 };
    word(at) == Some("by") && matches!(word(at + 1), Some("project" | "rootProject" | "settings"))
}

/// What `$name` and `${name}` put in, with where: of a longer path its last name, and none of what is reckoned.
fn put_in(text: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|length| at + length) {
        let rest = &text[dollar + 1..];
        let (inner, end) = match rest.strip_prefix('{') {
            Some(braced) => {
                let length = braced.find('}').unwrap_or(braced.len());
                (&braced[..length], dollar + 2 + length + usize::from(length < braced.len()))
            }
            None => {
                let length = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
                let length = length.unwrap_or(rest.len());
                (&rest[..length], dollar + 1 + length)
            }
        };
        let name = inner.rsplit('.').next().unwrap_or(inner);
        let name = if inner.split('.').all(is_variable) { name } else { "" };
        found.push((name.to_owned(), dollar..end));
        at = end.max(dollar + 1);
    }
    found
}

fn is_variable(name: &str) -> bool {
    let is_of_names = |letter: char| letter.is_alphanumeric() || letter == '_';
    !name.is_empty()
        && name.chars().all(is_of_names)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn is_name(name: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= 200 && name.bytes().all(is_of_names)
}

/// A version, or a range of them.
pub(crate) fn is_version(text: &str) -> bool {
    let is_of_versions = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-[](), ".contains(&byte);
    !text.trim().is_empty() && text.len() <= 128 && text.bytes().all(is_of_versions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{Stated, script};

    #[track_caller]
    fn check(given: &str, is_kotlin: bool, then: &[&str]) {
        let script = script(given, is_kotlin);
        let declared = script.declared.iter().map(|declared| match &declared.version {
            Stated::Here(range) => format!("{} {}", declared.module, &given[range.clone()]),
            Stated::By { variable, usage, quote } => {
                format!("{} by {variable} at {quote}{}{quote}", declared.module, &given[usage.clone()])
            }
            Stated::Nowhere => format!("{} -", declared.module),
            Stated::Unread => format!("{} ?", declared.module),
        });
        let variables = script.variables.iter();
        let variables = variables.map(|one| format!("{} is {}", one.name, &given[one.value.clone()]));
        assert_eq!(declared.chain(variables).collect::<Vec<_>>(), then, "{given}");
    }

    #[test]
    fn groovy_says_versions_in_many_ways() {
        check("implementation 't:a:1.0' // 't:b:1'", false, &["t:a 1.0"]);
        check("api('t:a:1.+:tests@jar') { transitive = false }", false, &["t:a 1.+"]);
        check(
            "api 't:a:[1.0, 2.0)'; api 't:b'; api 't:c:1.0!!'",
            false,
            &["t:a [1.0, 2.0)", "t:b -", "t:c 1.0"],
        );
        check("api \"t:a:$v\"", false, &["t:a by v at $v"]);
        check("api \"t:a:${rootProject.ext.v}@aar\"", false, &["t:a by v at ${rootProject.ext.v}"]);
        check("api \"t:a:${v}-x\"; api \"t:$b:1\"; api 't:a:$v'", false, &["t:a ?", "t:a ?"]);
        check(
            "api group: 't', name: 'a', version: '1.0'",
            false,
            &["t:a 1.0", "group is t", "name is a", "version is 1.0"],
        );
        check(
            "api(group: 't', name: 'a', version: v)",
            false,
            &["t:a by v at 'v'", "group is t", "name is a"],
        );
        check("ext { v = '1.0' }\next.w = \"2\"\ndef x = '3'", false, &["v is 1.0", "w is 2", "x is 3"]);
        check("ext { set('v', '1.0') }; url 'http://x.example/a:b'", false, &[]);
    }

    #[test]
    fn kotlin_says_versions_in_many_ways() {
        check("implementation(\"t:a:1.0\")", true, &["t:a 1.0"]);
        check(
            "implementation(group = \"t\", name = \"a\", version = \"1.0\")",
            true,
            &["t:a 1.0", "group is t", "name is a", "version is 1.0"],
        );
        check("val v = \"1.0\"; api(\"t:a:$v\")", true, &["t:a by v at $v", "v is 1.0"]);
        check("val v by extra(\"1.0\"); extra[\"w\"] = \"2\"", true, &["v is 1.0", "w is 2"]);
    }

    #[test]
    fn uses_of_a_variable_are_counted() {
        let found = script("def v = '1'\napi \"t:a:$v\"\nprintln v + \"${v}\" + '$v'", false);
        assert_eq!(found.used.iter().filter(|name| *name == "v").count(), 3);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(given in "(api |group: |name: |version: |'t:a:1'|\"t:a:\\$v\"|\\$\\{|\\}|v = |'1'|\\[|\\]|,|é|\n){0,16}", is_kotlin in proptest::bool::ANY) {
            for declared in script(&given, is_kotlin).declared {
                if let Stated::Here(range) | Stated::By { usage: range, .. } = declared.version {
                    prop_assert!(given.get(range).is_some());
                }
            }
        }
    }
}
