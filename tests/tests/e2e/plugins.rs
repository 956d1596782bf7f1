//! Plugins as clients and operators see them: cards, control, routes, and what their deaths do to others.

mod cards;
mod hostile;
mod relay;
mod routes;
mod walls;
mod watch;
