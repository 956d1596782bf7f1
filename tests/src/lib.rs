//! Tests that see Shimmer from outside, and the plugins made for them.
//!
//! The rule: a test here drives what is built as its users do, through the binary, the sockets and the
//! plugin ABI.
#![forbid(unsafe_code)]
