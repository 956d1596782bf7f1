//! What every answer has in common, whichever part of the server makes it.

mod answer;
mod problem;
pub(crate) mod query;
pub(crate) mod request_id;
mod validator;

pub(crate) use answer::Answer;
pub(crate) use problem::{Problem, Refused};
pub(crate) use query::Query;
pub(crate) use request_id::{RequestId, RequestIds};
pub(crate) use validator::is_known;
