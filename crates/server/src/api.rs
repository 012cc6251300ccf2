//! `/api/v1`: patches, their facts and events, what people may ask, live streams, evidence.

pub mod actions;
pub mod blobs;
pub mod facts;
pub mod ofrep;
pub mod patches;
pub mod stream;
