//! The wire: JSON-RPC envelopes, the protocol's revisions, methods, codes and headers, and the SSE framing.
//!
//! Works on bytes that someone else has read: no I/O, no async runtime, no clock. Payloads are relayed raw: a message is
//! scanned for its envelope and spliced, never decoded into closed structs and written again, so fields
//! this crate has never heard of reach the other side unchanged.

mod changes;
pub mod code;
mod envelope;
pub mod header;
mod id;
mod malformed;
pub mod meta;
mod method;
pub mod object;
mod outline;
pub mod param_header;
mod raw;
pub mod scan;
mod splice;
pub mod sse;
pub mod template;
mod version;
pub mod write;

pub use code::ErrorObject;
pub use envelope::{Body, Message, Notification, Outcome, Request, Response};
pub use id::{Id, IdKey};
pub use malformed::Malformed;
pub use method::{Kind, Method, TaskMethod};
pub use object::Object;
pub use raw::Raw;
pub use splice::{Edit, Payload, Splice};
pub use version::{Era, Version};
