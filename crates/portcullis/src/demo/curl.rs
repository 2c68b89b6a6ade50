//! A step as a command for a shell.

#[cfg(test)]
mod tests;

use super::client::{ACCEPTS, body};
use super::people::Who;
use super::tour::{Shows, Step};

/// The command, over several lines. It uses the variables URL, ALICE and BOB.
pub fn command(step: &Step) -> String {
    let mut headers = Vec::new();
    match step.who {
        Who::Alice => headers.push("Authorization: Bearer $ALICE".to_owned()),
        Who::Bob => headers.push("Authorization: Bearer $BOB".to_owned()),
        Who::Nobody => {}
    }
    headers.push("Content-Type: application/json".to_owned());
    headers.push(format!("Accept: {ACCEPTS}"));
    headers.push(format!("MCP-Protocol-Version: {}", mcp::Version::NEWEST));
    headers.push(format!("Mcp-Method: {}", step.method));
    headers.extend(step.name.map(|name| format!("Mcp-Name: {name}")));
    let flags = if step.shows == Shows::Head { "-sSi" } else { "-sSN" };
    let mut command = format!("curl {flags} \"$URL\"");
    for pair in headers.chunks(2) {
        command.push_str(" \\\n ");
        pair.iter().for_each(|header| command.push_str(&format!(" -H \"{header}\"")));
    }
    command.push_str(&format!(" \\\n  -d '{}'", body(step)));
    command.push_str(match step.shows {
        Shows::Names => " \\\n  | grep -o '\"name\":\"[a-z]*___[a-z_]*\"'",
        // An answer that does not end its last line leaves the prompt behind it.
        Shows::Head | Shows::Body => "; echo",
    });
    command
}
