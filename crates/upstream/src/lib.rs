//! Drivers that speak to targets: Streamable HTTP modern and legacy, HTTP+SSE, stdio.
//!
//! A driver turns a permitted call into what its server understands and the server's messages into [`Event`]s. It never
//! decides who may call what, never sees the client's own credential, and never repeats a call that a server may have seen.

mod abilities;
mod ask;
mod board;
mod call;
mod deadline;
mod duplex;
mod errands;
mod error;
mod facts;
mod hub;
mod inbox;
mod params;
mod presented;
mod question;
pub mod relay;
mod reply;
mod streamable;
mod update;
mod upstream;

pub use abilities::{Abilities, unasked};
pub use board::NotSubscribed;
pub use call::{Affinity, Call, Caller, Level, Logs, Mark, ProgressToken, ServerFacts, SessionKey, Upkeep};
pub use error::UpstreamError;
pub use hub::Subscription;
pub use inbox::{Inbox, InboxBounds, Notice, Update};
pub use question::{Kind as QuestionKind, Question};
pub use relay::Event;
pub use reply::Reply;
pub use upstream::{Deps, Upstream};
