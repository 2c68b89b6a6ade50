//! One call in progress: what its client sees of it, in the client's own era; and the sessions of legacy clients.
//!
//! An [`Exchange`] yields notifications and one final answer, whatever the server speaks. Presenters put it on the wire. This
//! room does not decide who may call what, and does not know where a target is.

mod bridge;
mod event_id;
mod events;
mod exchange;
mod interests;
pub mod notify;
pub mod present;
mod quota;
pub mod resumable;
mod session;
mod sessions;
mod status;
mod window;

pub use bridge::{Bridge, Extensions, Unfit};
pub use events::{Events, Missed, Resumed, Seat};
pub use exchange::{Answer, Exchange, Step};
pub use interests::{Digests, Interests};
pub use notify::Reader;
pub use present::Accepts;
pub use quota::{Counted, Quota};
pub use session::{Hello, Running, Session};
pub use sessions::{Bounds, SessionError, Sessions, StreamBounds};
pub use status::Status;
