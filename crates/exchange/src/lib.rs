//! One call in progress: what its client sees of it, in the client's own era; and the sessions of legacy clients.
//!
//! An [`Exchange`] yields notifications, questions and one final answer, and takes the answers to the questions, whatever the
//! server speaks. Presenters put it on the wire. This room does not decide who may call what, and does not know where a
//! target is.

mod address;
mod asked;
mod bridge;
mod budget;
mod desk;
mod event_id;
mod events;
mod exchange;
mod form;
mod interests;
mod interim;
pub mod notify;
pub mod present;
mod quota;
mod relayed;
pub mod resumable;
mod round;
mod rules;
mod session;
mod sessions;
mod state;
mod status;
mod steps;
pub mod task;
mod window;
mod writer;

pub use asked::{Asking, Given};
pub use bridge::{Bridge, Extensions, Unfit};
pub use budget::ResumeBounds;
pub use desk::{Desk, DeskBounds, Stale};
pub use events::{Events, Missed, Resumed, Seat};
pub use exchange::{Answer, Exchange, Step};
pub use interests::{Digests, Interests};
pub use notify::Reader;
pub use present::Accepts;
pub use quota::{Counted, Quota};
pub use relayed::{Again, Work};
pub use rules::{Refused, Rules, Spent};
pub use session::{Hello, Running, Session};
pub use sessions::{Bounds, SessionError, Sessions, StreamBounds};
pub use state::{Binding, Continuation, Expected};
pub use status::Status;
pub use steps::Steps;
pub use writer::{KEEP_ALIVE, Writer};
