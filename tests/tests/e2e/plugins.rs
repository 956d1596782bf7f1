//! Plugins as clients and operators see them: cards, control, routes, and what their deaths do to others.

mod cards;
mod relay;
mod routes;
