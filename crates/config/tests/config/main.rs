//! The loader, the schema and the import through their public functions.

#![cfg(test)]

mod accepted;
mod arbitrary;
mod files;
mod helped;
mod imported;
mod references;
mod refused;
mod schema;
mod support;
mod syntax;
mod warned;

pub(crate) use support::{SOUND, env, in_gateway, in_target, on_top, read, refused, shown, snapshot, warned};
