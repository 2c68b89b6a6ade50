//! Tasks: what a server made of a call, to be looked after by id (MCP 2025-11-25, Tasks; the extension
//! `io.modelcontextprotocol/tasks` for 2026-07-28).
//!
//! Nothing about a task is kept here: the id that a client has says where its task is, and for whom. What a client does not
//! know as a task is waited for in its call.

mod answers;
mod ids;
mod shape;
mod terms;
mod watch;

pub use answers::fitting;
pub use ids::{Owner, Task, TaskIds, unknown};
pub use shape::{Generation, acknowledged, inlined, interval, is_over, to_core};
pub use terms::{Follower, Keeper, Link, Maker, Tasks, Then, Unseen};
pub(crate) use terms::{Instead, Made, unrelated};
pub use watch::call;
pub(crate) use watch::{Seen, Watch};
