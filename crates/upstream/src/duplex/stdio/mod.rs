//! A child process that speaks MCP on its stdin and stdout, one message a line.

mod child;
mod environment;
mod framing;
mod stderr;
mod stop;

pub(super) use child::{Program, spawn};
pub(super) use stderr::LastLine;
