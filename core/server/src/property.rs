//! What must hold for any bytes whatever: properties for fuzz targets and for tests to call.
//!
//! The rule: each stands beside what it holds, and this is the way to them from outside.

use std::net::TcpStream;
use std::time::Duration;

pub use crate::config::property::Bench as ConfigFile;
pub use crate::listener::property::Bench as HttpBytes;
pub use crate::stream::property::Bench as WsFrames;

/// Closes a connection without leaving anything of it behind: thousands a second would use up the ports.
pub(crate) fn cut_off(socket: TcpStream) {
    // A failure costs a port for a minute.
    let _ = rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
}
