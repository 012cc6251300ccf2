//! Event to row and back. Every row names the format it was written in; old formats are upcast here.

use patchline_model::event::Event;
use serde_json::Value;

/// The format that new rows are written in.
pub const FORMAT: u32 = 1;

/// An event as it is kept.
pub fn write(event: &Event) -> Result<String, serde_json::Error> {
    serde_json::to_string(event)
}

/// An event as it was kept in this format.
pub fn read(format: u32, text: &str) -> Result<Event, serde_json::Error> {
    match format {
        FORMAT => serde_json::from_str(text),
        other => Err(unknown(other)),
    }
}

fn unknown(format: u32) -> serde_json::Error {
    let message = format!("format {format} is not known; this Patchline reads up to {FORMAT}");
    serde::de::Error::custom(message)
}

/// Whether these bytes are one event; for property tests and tools.
pub fn is_event(value: &Value) -> bool {
    serde_json::from_value::<Event>(value.clone()).is_ok()
}
