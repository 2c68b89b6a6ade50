//! The resource model, the YAML loader with diagnostics, the compiled snapshot.
//!
//! Turns one file into one immutable [`Snapshot`] or into the list of everything that is wrong with it, each
//! with its place and the way on. Reads the file and the secrets it names; opens no socket, looks up no host
//! name, and holds no global state: the environment is an argument.

mod address;
mod diagnostic;
mod form;
mod import;
mod interpolate;
mod load;
mod model;
mod name;
mod node;
mod place;
mod reload;
mod schema;
mod secret_like;
mod section;
mod similar;
#[cfg(test)]
mod tests;
mod yaml;

pub use diagnostic::{Diagnostic, Severity};
pub use import::{ImportError, Imported, import};
pub use interpolate::Env;
pub use load::{Loaded, load, parse};
pub use model::*;
pub use reload::restart_needed;
pub use schema::schema;
