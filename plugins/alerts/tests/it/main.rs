//! The alert manager as its users meet it: samples in, changes and notifications out, on a virtual clock.
//!
//! The rule: a test plays a story and looks at what was told; none looks inside.

mod bounds;
mod clock;
mod correlations;
mod delivery;
mod documents;
mod groups;
mod lifecycle;
mod mutes;
mod play;
mod restore;
mod rules;
mod shapes;
