//! `[[agent]]`: who may be asked for a change, and how much each may change.

use std::path::Path;

use patchline_model::agent::{Agent, ByCommand, Endpoint, Way};
use patchline_model::service::Name;
use patchline_model::time::Seconds;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::{command, parsed, text};

const MOST_AGENTS: usize = 8;

const USUAL_MINUTES: u32 = 10;
const MOST_MINUTES: u32 = 240;
const USUAL_TOKENS: u64 = 200_000;
const MOST_TOKENS: u64 = 100_000_000;
const USUAL_FILES: u32 = 10;
const MOST_FILES: u32 = 1000;
const USUAL_LINES: u32 = 400;
const MOST_LINES: u32 = 100_000;

/// Patterns of one agent, and characters of each.
const MOST_PATHS: usize = 100;
const LONGEST_PATH: usize = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSection {
    name: Spanned<String>,
    command: Option<Spanned<Vec<String>>>,
    /// Of a command.
    network: Option<Spanned<bool>>,
    readable: Option<Spanned<Vec<String>>>,
    endpoint: Option<Spanned<String>>,
    /// Of an endpoint.
    model: Option<Spanned<String>>,
    key_env: Option<Spanned<String>>,
    tokens: Option<Spanned<u64>>,
    minutes: Option<Spanned<u32>>,
    files: Option<Spanned<u32>>,
    lines: Option<Spanned<u32>>,
    paths: Option<Spanned<Vec<String>>>,
}

pub fn agents_of(sections: &[AgentSection]) -> Result<Vec<Agent>, Problem> {
    if let Some(extra) = sections.get(MOST_AGENTS) {
        return Err(Problem::at(extra.name.span(), format!("there are at most {MOST_AGENTS} agents")));
    }
    let mut agents: Vec<Agent> = Vec::with_capacity(sections.len());
    for section in sections {
        let agent = agent(section)?;
        if agents.iter().any(|known| known.name == agent.name) {
            let message = format!("two agents are called `{}`", agent.name);
            return Err(Problem::at(section.name.span(), message));
        }
        agents.push(agent);
    }
    Ok(agents)
}

fn agent(section: &AgentSection) -> Result<Agent, Problem> {
    let name = parsed::<Name>(&section.name)?.to_string();
    let way = match (&section.command, &section.endpoint) {
        (Some(words), None) => Way::Command(ByCommand {
            command: command(words)?.0,
            network: section.network.as_ref().is_some_and(|network| *network.get_ref()),
            readable: section.readable.as_ref().map(readable).transpose()?.unwrap_or_default(),
        }),
        (None, Some(url)) => Way::Endpoint(endpoint(section, url)?),
        (None, None) | (Some(_), Some(_)) => {
            let message = "an agent has a `command` or an `endpoint`";
            return Err(Problem::at(section.name.span(), message));
        }
    };
    strangers(section, &way)?;
    let minutes = number(section.minutes.as_ref(), "minutes", USUAL_MINUTES, MOST_MINUTES)?;
    Ok(Agent {
        name,
        way,
        seconds: Seconds(u64::from(minutes) * 60),
        files: number(section.files.as_ref(), "files", USUAL_FILES, MOST_FILES)?,
        lines: number(section.lines.as_ref(), "lines", USUAL_LINES, MOST_LINES)?,
        paths: section.paths.as_ref().map(patterns).transpose()?.unwrap_or_default(),
    })
}

/// A key of the other kind of agent would be read by nobody.
fn strangers(section: &AgentSection, way: &Way) -> Result<(), Problem> {
    let is_command = matches!(way, Way::Command(_));
    let keys = [
        ("network", section.network.as_ref().map(Spanned::span), true),
        ("readable", section.readable.as_ref().map(Spanned::span), true),
        ("model", section.model.as_ref().map(Spanned::span), false),
        ("key_env", section.key_env.as_ref().map(Spanned::span), false),
        ("tokens", section.tokens.as_ref().map(Spanned::span), false),
    ];
    match keys.into_iter().find_map(|(key, span, of_command)| {
        Some((key, span?, of_command)).filter(|(.., of_command)| *of_command != is_command)
    }) {
        Some((key, span, of_command)) => {
            let of = if of_command { "a `command`" } else { "an `endpoint`" };
            Err(Problem::at(span, format!("`{key}` belongs to an agent with {of}")))
        }
        None => Ok(()),
    }
}

fn endpoint(section: &AgentSection, url: &Spanned<String>) -> Result<Endpoint, Problem> {
    let address = patchline_connect::request::address(url.get_ref());
    let address = address.map_err(|error| Problem::at(url.span(), error.to_string()))?;
    if !address.username().is_empty() || address.password().is_some() {
        let problem = Problem::at(url.span(), "an address with a password in it would be kept and shown");
        return Err(problem.hint("name the variable that holds the key in `key_env`"));
    }
    let local = matches!(address.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if address.scheme() != "https" && !local {
        let problem = Problem::at(url.span(), "code and key would go over the network for everybody to read");
        return Err(problem.hint("use `https://`; `http://` is for this machine alone"));
    }
    let Some(model) = &section.model else {
        return Err(Problem::at(url.span(), "an agent with an `endpoint` needs a `model`"));
    };
    let tokens = match &section.tokens {
        None => USUAL_TOKENS,
        Some(tokens) if (1..=MOST_TOKENS).contains(tokens.get_ref()) => *tokens.get_ref(),
        Some(tokens) => {
            let message = format!("`tokens` is a number from 1 to {MOST_TOKENS}");
            return Err(Problem::at(tokens.span(), message));
        }
    };
    Ok(Endpoint {
        url: url.get_ref().clone(),
        model: text(model, "model")?,
        key_env: section.key_env.as_ref().map(variable).transpose()?,
        tokens,
    })
}

/// A name, and by no slip the key itself: that does not look like one.
fn variable(value: &Spanned<String>) -> Result<String, Problem> {
    let name = value.get_ref();
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit() {
        return Ok(name.clone());
    }
    Err(Problem::at(value.span(), "`key_env` is the name of an environment variable, as `MODEL_KEY` is")
        .hint("the key itself stands in that variable, and in no file"))
}

fn number(value: Option<&Spanned<u32>>, name: &str, usual: u32, most: u32) -> Result<u32, Problem> {
    match value {
        None => Ok(usual),
        Some(value) if (1..=most).contains(value.get_ref()) => Ok(*value.get_ref()),
        Some(value) => Err(Problem::at(value.span(), format!("`{name}` is a number from 1 to {most}"))),
    }
}

fn patterns(value: &Spanned<Vec<String>>) -> Result<Vec<String>, Problem> {
    let good = |text: &String| {
        let inside = !text.starts_with('/') && !text.split('/').any(|part| part == "..");
        inside && (1..=LONGEST_PATH).contains(&text.len())
    };
    if (1..=MOST_PATHS).contains(&value.get_ref().len()) && value.get_ref().iter().all(good) {
        return Ok(value.get_ref().clone());
    }
    let message = format!(
        "`paths` holds 1 to {MOST_PATHS} patterns of paths inside the service's folder, of at most {LONGEST_PATH} characters"
    );
    Err(Problem::at(value.span(), message).hint("as in [\"src/**\"]"))
}

fn readable(value: &Spanned<Vec<String>>) -> Result<Vec<String>, Problem> {
    let plain = |path: &String| Path::new(path).is_absolute() && path != "/";
    if value.get_ref().len() <= MOST_PATHS && value.get_ref().iter().all(plain) {
        return Ok(value.get_ref().clone());
    }
    Err(Problem::at(value.span(), format!("`readable` holds at most {MOST_PATHS} absolute paths")))
}

#[cfg(test)]
mod tests {
    use patchline_model::agent::{Agent, Way};
    use patchline_model::time::Seconds;
    use serde::Deserialize;

    use super::{AgentSection, agents_of};

    #[derive(Deserialize)]
    struct File {
        agent: Vec<AgentSection>,
    }

    fn read(text: &str) -> Result<Vec<Agent>, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        agents_of(&file.agent).map_err(|problem| problem.message)
    }

    #[test]
    fn there_are_two_kinds_with_their_usual_budgets() {
        let agents = read(
            "[[agent]]\nname = \"a\"\ncommand = [\"mend\"]\n\
             [[agent]]\nname = \"b\"\nendpoint = \"https://models.example/v1/chat\"\nmodel = \"m\"\nkey_env = \"K\"\nminutes = 2",
        )
        .unwrap();
        assert!(matches!(&agents[0].way, Way::Command(by) if !by.network));
        assert_eq!((agents[0].seconds, agents[0].files, agents[0].lines), (Seconds(600), 10, 400));
        assert!(matches!(&agents[1].way, Way::Endpoint(by) if by.tokens == 200_000));
        assert_eq!(agents[1].seconds, Seconds(120));
    }

    #[test]
    fn what_can_t_be_is_refused() {
        let command = "name = \"a\"\ncommand = [\"mend\"]";
        let endpoint = |url: &str| format!("name = \"a\"\nendpoint = \"{url}\"\nmodel = \"m\"");
        for (text, words) in [
            ("name = \"a\"".to_owned(), "a `command` or an `endpoint`"),
            ("name = \"A b\"\ncommand = [\"a\"]".to_owned(), "is not a name"),
            (format!("{command}\nmodel = \"m\""), "belongs to an agent with an `endpoint`"),
            (format!("{}\nnetwork = true", endpoint("https://a.example/")), "with a `command`"),
            (endpoint("http://a.example/"), "for everybody to read"),
            (endpoint("https://me:secret@a.example/"), "with a password"),
            (endpoint("nowhere"), "no address"),
            (format!("{}\nkey_env = \"sk-123\"", endpoint("https://a.example/")), "name of an environment"),
            (format!("{command}\nminutes = 0"), "1 to 240"),
            (format!("{command}\npaths = [\"../x\"]"), "inside the service's folder"),
            (format!("{command}\nreadable = [\"x\"]"), "absolute paths"),
            (format!("{command}\n[[agent]]\n{command}"), "two agents"),
            (format!("{command}\ntoken = 1"), "unknown field"),
        ] {
            let why = read(&format!("[[agent]]\n{text}")).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
