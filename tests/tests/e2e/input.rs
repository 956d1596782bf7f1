//! What comes in: every form of an event, every refusal with its status, and nothing half-accepted.

mod batches;
mod cloud;
mod greedy;
mod hostile;
mod lane;
mod limits;
mod single;
