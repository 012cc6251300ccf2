//! The three functions over the whole patch: `decide`, `evolve`, `due`.

pub mod afterwards;
pub mod begin;
pub mod decide;
pub mod divided;
pub mod due;
pub mod ending;
pub mod evolve;
pub mod grounds;
pub mod held;
pub mod joint;
pub mod others;
pub mod paused;
pub mod recall;
pub mod retry;
pub mod shown;
pub mod survey;
pub mod unbegun;
