//! Arguments in headers: client half against server half.

use mcp::Raw;
use mcp::param_header::{Mismatch, ParamHeaders};

/// What a client writes for a call, a server accepts for the same call. The first line is a tool's input schema, the
/// rest the arguments.
pub fn param_headers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (schema, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    let (Some(schema), Some(arguments)) = (Raw::parse(schema), Raw::parse(arguments)) else { return };
    let Ok(params) = ParamHeaders::of_tool_schema(&schema) else { return };
    let values = params.values(Some(&arguments));
    let lines = |name: &str| {
        values
            .iter()
            .filter(|(header, _)| header == name)
            .map(|(_, value)| value.as_bytes())
            .collect::<Vec<_>>()
    };
    match params.check(lines, Some(&arguments)) {
        Ok(()) | Err(Mismatch::NotPrimitive { .. }) => {}
        Err(mismatch) => panic!("{mismatch}"),
    }
}
