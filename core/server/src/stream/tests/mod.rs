//! Streams against real clients over loopback.
