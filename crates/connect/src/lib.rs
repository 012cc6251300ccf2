//! Connect: fetching over HTTP and HTTPS, so that every part of Patchline that reads from the outside does it with the same
//! limits. A fetch is bounded in bytes, time, tries and redirects; what arrived is compared with what the server says of it;
//! proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) and the system's certificate authorities are honoured.

pub mod cache;
pub mod checksum;
pub mod client;
pub mod download;
pub mod error;
pub mod get;
pub mod post;
pub mod request;
pub mod settings;
pub mod tries;

pub use client::Client;
pub use download::Download;
pub use error::{FetchError, Kind};
pub use get::Answer;
pub use request::{Get, Post};
pub use settings::Settings;
