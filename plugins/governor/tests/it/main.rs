//! What holds for a whole DAO, seen from outside.
//!
//! The rule: every test goes the way a node goes: a command, an entry made durable, the entry applied.

mod bounds;
mod dao;
mod forgery;
mod history;
mod rules;
mod shapes;
mod snapshot;
mod vectors;
mod votes;
mod weights;
