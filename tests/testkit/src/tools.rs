//! Where the programs are that the tests run: the product's binary, the fixture, Node, Python and what is installed
//! for them. `make setup` and `make build` put them there.

use std::path::{Path, PathBuf};

/// The product.
pub fn gateway_binary() -> PathBuf {
    named("PORTCULLIS_BIN").unwrap_or_else(|| target("target").join("debug/portcullis"))
}

/// The fixture as a program, for stdio targets.
pub fn fixture_binary() -> PathBuf {
    named("PORTCULLIS_FIXTURE").unwrap_or_else(|| target("tests/target").join("debug/fixture"))
}

/// A Node that is new enough.
pub fn node() -> PathBuf {
    tools().join("bin/node")
}

/// The Python of one SDK generation: `v1` or `v2`.
pub fn python(generation: &str) -> PathBuf {
    tools().join(format!("python-{generation}/bin/python"))
}

/// A program that came with a Python package.
pub fn python_program(name: &str) -> PathBuf {
    tools().join("python-v2/bin").join(name)
}

/// A file of an installed npm package.
pub fn npm(path: &str) -> PathBuf {
    root().join("tests/clients/node_modules").join(path)
}

/// A client script of this repository.
pub fn client(path: &str) -> PathBuf {
    root().join("tests/clients").join(path)
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().unwrap_or(here)
}

fn tools() -> PathBuf {
    named("PORTCULLIS_TOOLS").unwrap_or_else(|| root().join(".tools"))
}

fn target(default: &str) -> PathBuf {
    named("CARGO_TARGET_DIR").unwrap_or_else(|| root().join(default))
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
