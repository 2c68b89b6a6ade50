//! An exchange as commands for a shell, bash or zsh.

#[cfg(test)]
mod tests;

use super::message::{ACCEPTS, Message};
use super::people::Who;
use super::step::{Act, Exchange, Keep, Shows};

/// What the commands need besides the variables URL, ALICE and BOB: two ways to take a value out of the last answer.
pub const HELPERS: &str = r#"value() { printf '%s\n' "$ANSWER" | grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d : -f 2- | tr -d '"'; }
header() { printf '%s\n' "$ANSWER" | grep -i "^$1:" | cut -d ' ' -f 2 | tr -d '\r'; }"#;

/// The commands, over several lines.
pub fn commands(exchange: &Exchange) -> String {
    let mut text = match &exchange.act {
        Act::Post(message) if exchange.keeps.is_empty() => shown(message, exchange.shows),
        Act::Post(message) => format!("ANSWER=$({}); echo \"$ANSWER\"", curl(message, exchange.shows)),
        // The rest of the stream stays in the pipe, for later.
        Act::Hold(message) => format!(
            "exec 3< <({})\nANSWER=$(grep -m 1 elicitation/create <&3); echo \"$ANSWER\"",
            curl(message, exchange.shows)
        ),
        Act::Rest => "cat <&3".to_owned(),
        Act::Sign => "curl -sS -X POST \"$PAGE\"".to_owned(),
    };
    for keep in exchange.keeps {
        let from = match keep {
            Keep::Session => "header mcp-session-id".to_owned(),
            Keep::Member { name, .. } => format!("value {name}"),
        };
        text.push_str(&format!("\n{}=$({from})", keep.variable()));
    }
    text
}

fn shown(message: &Message, shows: Shows) -> String {
    let tail = match shows {
        Shows::Names => " \\\n  | grep -o '\"name\":\"[a-z]*___[a-z_]*\"'",
        // An answer that does not end its last line leaves the prompt behind it.
        Shows::Head | Shows::Body => "; echo",
    };
    curl(message, shows) + tail
}

fn curl(message: &Message, shows: Shows) -> String {
    let mut headers = Vec::new();
    match message.who {
        Who::Alice => headers.push("Authorization: Bearer $ALICE".to_owned()),
        Who::Bob => headers.push("Authorization: Bearer $BOB".to_owned()),
        Who::Nobody => {}
    }
    headers.push("Content-Type: application/json".to_owned());
    headers.push(format!("Accept: {ACCEPTS}"));
    headers.extend(message.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let flags = if shows == Shows::Head { "-sSi" } else { "-sSN" };
    let mut command = format!("curl {flags} \"$URL\"");
    for pair in headers.chunks(2) {
        command.push_str(" \\\n ");
        pair.iter().for_each(|header| command.push_str(&format!(" -H \"{header}\"")));
    }
    command.push_str(&format!(" \\\n  -d '{}'", unquoted(&message.body)));
    command
}

/// A text for between two single quotes, with its variables outside of them.
fn unquoted(body: &str) -> String {
    let mut pieces = body.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|letter: char| !letter.is_ascii_uppercase()).unwrap_or(piece.len());
        let (variable, rest) = piece.split_at(end);
        text.push_str(&format!("'\"${variable}\"'{rest}"));
    }
    text
}
