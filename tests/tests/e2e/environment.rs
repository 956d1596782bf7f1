//! Faults of the machine around a node: its disk, its descriptors, its clock, its memory, processes that are stopped.
//!
//! The rule: before the start one line says what is wrong; afterwards the node goes on with what it has, says what it
//! lacks, and catches up.

mod clock;
mod descriptors;
mod disk;
mod processes;
