//! The data plane: one request, one path.
//!
//! accept → authenticate → read → resolve → authorize → dispatch → answer. This room knows which path leads to which
//! gateway, in which era a message is written, and what each method asks for. It never reads a credential itself, never speaks
//! to a server itself, and sends nothing to one without a permit.

mod attend;
mod cors;
mod follow;
mod legacy;
mod listen;
mod modern;
mod negotiate;
mod operation;
mod places;
mod plane;
mod refusal;
mod route;
mod site;
mod sites;
mod sse;
mod standing;
mod visit;

pub use places::Places;
pub use plane::{DataPlane, Documents, Table};
pub use site::{LiveTarget, Site, Spelling};
pub use sse::Streams;
