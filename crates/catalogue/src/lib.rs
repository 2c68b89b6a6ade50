//! What each principal sees: the targets' lists, named, merged, paged, and kept.
//!
//! The pure half turns captures into an immutable [`View`] from its arguments alone. The live half keeps captures fresh:
//! default listings persisted and the same for everyone, dynamic listings live under the caller and kept for nobody else.
//! It never decides who may see an item (it asks a function it is given), and never calls, reads or completes anything.

mod capture;
mod claims;
mod dynamic;
mod error;
mod health;
mod item;
mod live;
mod merge;
pub mod name;
mod page;
mod personal;
mod pull;
mod report;
mod route;
mod shared;
mod shelf;
mod source;
pub mod status;
mod stored;
mod sync;
mod view;
mod viewer;

pub use capture::Capture;
pub use claims::{Claims, KEPT_DEFAULT, KEPT_DYNAMIC, Renewed};
pub use error::Error;
pub use item::{Item, Owner, TaskSupport};
pub use live::{Catalogue, Freshness, Missed, Parts, Seen};
pub use merge::merge;
pub use page::{Page, Pager};
pub use report::{Reason, Report};
pub use route::Route;
pub use shelf::Shelf;
pub use source::Source;
pub use status::TargetStatus;
pub use view::{ListDigest, Server, View};
