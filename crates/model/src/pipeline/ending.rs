//! The fact that a patch has ended.

use crate::event::Fact;
use crate::stage::review::{End, Event};

pub fn ended(end: End) -> Fact {
    Fact::Review(Event::Ended(end))
}
