//! Event to row and back. Every row names the format it was written in; old formats are upcast here.

use patchline_model::event::Event;
use patchline_model::line;
use serde_json::Value;

/// The format that new rows are written in.
pub const FORMAT: u32 = 1;

/// An event as it is kept. What could not be read back is refused here, before it is a fact: JSON has no word for a
/// number that is infinite or none, and writes `null` in its place.
pub fn write(event: &Event) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(event)?;
    read(FORMAT, &text)?;
    Ok(text)
}

/// An event that should be there and is not.
pub fn missing() -> serde_json::Error {
    serde::de::Error::custom("it is missing")
}

/// An event as it was kept in this format.
pub fn read(format: u32, text: &str) -> Result<Event, serde_json::Error> {
    match format {
        FORMAT => serde_json::from_str(text),
        other => Err(unknown(other)),
    }
}

/// An event of the line as it is kept.
pub fn write_line(event: &line::Event) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(event)?;
    read_line(FORMAT, &text)?;
    Ok(text)
}

/// An event of the line as it was kept in this format.
pub fn read_line(format: u32, text: &str) -> Result<line::Event, serde_json::Error> {
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
