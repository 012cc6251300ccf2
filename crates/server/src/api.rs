//! `/api/v1`: patches, their facts and events, what people may ask, the line, live streams, evidence.

pub mod actions;
pub mod blobs;
pub mod facts;
pub mod line;
pub mod ofrep;
pub mod patches;
pub mod stream;
