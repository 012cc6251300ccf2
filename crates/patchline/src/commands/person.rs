//! Who gives a command: nothing is done by an unnamed hand.

use patchline_model::actor::Actor;

use crate::exit::Trouble;

/// The person who was named, or who is logged in.
pub fn person(named: Option<&str>) -> Result<Actor, Trouble> {
    let login = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    let name = named.map(str::to_owned).or_else(login).unwrap_or_default();
    match name.trim() {
        "" => Err(Trouble::usage("who are you?").hint("name yourself with `--by NAME` or PATCHLINE_BY")),
        name if name == Actor::Machine.name() => {
            Err(Trouble::usage(format!("`{name}` is the machine's own name"))
                .hint("name yourself with `--by NAME`"))
        }
        name => Ok(Actor::person(name)),
    }
}
