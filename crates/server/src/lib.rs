//! API, pages and live streams over the conductor: what people and other programs see of Patchline.

pub mod api;
pub mod app;
pub mod assets;
pub mod guard;
pub mod health;
pub mod listener;
pub mod pages;
pub mod problem;
pub mod state;

pub use app::{router, serve};
pub use state::App;
