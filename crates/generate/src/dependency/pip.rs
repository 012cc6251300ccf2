//! `requirements.txt` and its like: pins are changed where they stand, and that the set still fits is known from the metadata
//! of the index, and from pip itself.

mod check;
pub mod fixer;
mod set;
mod sheet;
