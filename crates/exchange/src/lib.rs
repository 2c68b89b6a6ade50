//! One call in progress: what its client sees of it, in the client's own era; and the sessions of legacy clients.
//!
//! An [`Exchange`] yields notifications and one final answer, whatever the server speaks. Presenters put it on the wire. This
//! room does not decide who may call what, and does not know where a target is.

mod bridge;
mod exchange;
pub mod present;
mod session;
mod sessions;
mod status;

pub use bridge::{Bridge, Extensions, Unfit};
pub use exchange::{Answer, Exchange, Step};
pub use present::Accepts;
pub use session::{Hello, Running, Session};
pub use sessions::{Bounds, SessionError, Sessions};
pub use status::Status;
