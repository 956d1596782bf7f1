//! What was acknowledged stays, whatever happens to the process or its file; and a node that cannot run says why.

mod crashes;
mod ends;

pub(crate) use ends::one_line;
