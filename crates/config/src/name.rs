//! Names of gateways and targets: they stand in URLs, tool names, logs and policies.

use crate::diagnostic::{Problem, quoted};
use crate::form::many::Names;

/// Bytes in a name.
pub(crate) const BYTES_MAX: usize = 32;
const PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,31}$";

/// First path segments that the process itself answers.
const RESERVED: [&str; 11] = [
    "mcp",
    "api",
    "identity",
    "identities",
    "oauth",
    "sts",
    "connect",
    "healthz",
    "readyz",
    "metrics",
    // The embedded development issuer is at `{public_url}/dev`.
    "dev",
];

/// Names of gateways.
pub(crate) fn gateways() -> Names {
    Names { what: "a gateway name to the gateway", pattern: PATTERN, check: gateway, max: 100 }
}

/// Names of the targets of one gateway.
pub(crate) fn targets() -> Names {
    Names { what: "a target name to the target", pattern: PATTERN, check: check_pattern, max: 500 }
}

fn gateway(name: &str) -> Result<String, Problem> {
    if RESERVED.contains(&name) {
        return Err(Problem::new(format!("{} is reserved", quoted(name)))
            .help(format!("choose another name than {}", RESERVED.join(", "))));
    }
    check_pattern(name)
}

fn check_pattern(name: &str) -> Result<String, Problem> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !name.is_empty() && name.len() <= BYTES_MAX && !name.starts_with('-') && name.bytes().all(fits) {
        return Ok(name.to_owned());
    }
    Err(Problem::new(format!("{} is not a valid name", quoted(name)))
        .help("use 1 to 32 lower-case letters, digits and hyphens, and no hyphen in front"))
}
