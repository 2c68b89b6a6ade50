//! One server of a client becomes one target.

mod conceal;
mod roots;

use serde_json::{Map, Value};

use super::variables::Variables;
use crate::diagnostic::quoted;
use crate::interpolate::is_variable;
use crate::section::outbound::header_name;
use conceal::Concealer;

/// Keys that are read, or that say nothing a gateway needs.
const KNOWN: [&str; 15] = [
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "serverUrl",
    "httpUrl",
    "headers",
    "type",
    "transport",
    "disabled",
    "enabled",
    "name",
    "description",
    "envFile",
];

/// A target, its texts in our syntax.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) reach: Reach,
}

/// How the server is reached.
#[derive(Debug)]
pub(super) enum Reach {
    Child {
        command: String,
        args: Vec<String>,
        env: Vec<(String, String)>,
        cwd: Option<String>,
        roots: Vec<String>,
    },
    Http {
        url: String,
        era: Era,
        headers: Vec<(String, String)>,
    },
}

/// What the client knows of the server's protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Era {
    Unknown,
    /// HTTP+SSE.
    Legacy,
}

/// What became of a server.
pub(super) enum Outcome {
    Target(Box<Target>),
    Skipped(String),
}

/// Converts the server called `name` in our configuration.
pub(super) fn convert(
    name: &str,
    value: &Value,
    variables: &mut Variables,
    notes: &mut Vec<String>,
) -> Outcome {
    let Value::Object(server) = value else { return Outcome::Skipped("it is not a map".to_owned()) };
    if server.get("disabled") == Some(&Value::Bool(true))
        || server.get("enabled") == Some(&Value::Bool(false))
    {
        return Outcome::Skipped("it is disabled".to_owned());
    }
    let mut concealer = Concealer { target: name, variables };
    let reach = match (text(server, &["command"]), text(server, &["url", "serverUrl", "httpUrl"])) {
        (Some(command), _) => child(server, command, &mut concealer, notes),
        (None, Some(url)) => http(server, url, &mut concealer, notes),
        (None, None) => Err("it has neither `command` nor `url`".to_owned()),
    };
    match reach {
        Err(reason) => Outcome::Skipped(reason),
        Ok(reach) => {
            note_ignored(name, server, notes);
            Outcome::Target(Box::new(Target { name: name.to_owned(), reach }))
        }
    }
}

fn child(
    server: &Map<String, Value>,
    command: &str,
    concealer: &mut Concealer<'_>,
    notes: &mut Vec<String>,
) -> Result<Reach, String> {
    let target = concealer.target;
    let command = concealer.plain(command, "command");
    let args = match server.get("args") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(args)) => args.iter().filter_map(scalar).collect(),
        Some(_) => return Err("its `args` are not a list".to_owned()),
    };
    let args = concealer.arguments(&args);
    let roots = roots::named(&command, &args);
    if !roots.left_out.is_empty() {
        let left_out: Vec<_> = roots.left_out.iter().map(|argument| quoted(argument)).collect();
        notes.push(format!(
            "`{target}`: no absolute path, so name it in `roots`, or clients say where the server may look: {}",
            left_out.join(", ")
        ));
    }
    let mut env = Vec::new();
    for (name, value) in entries(server, "env") {
        match scalar(value) {
            Some(value) if is_variable(name) => env.push((name.clone(), concealer.variable(name, &value))),
            _ => notes.push(format!("`{target}`: variable {} is left out", quoted(name))),
        }
    }
    if server.contains_key("envFile") {
        notes.push(format!("`{target}`: `envFile` is not read; write its variables under `env`"));
    }
    let cwd = text(server, &["cwd"]).map(|cwd| concealer.plain(cwd, "cwd"));
    Ok(Reach::Child { command, args, env, cwd, roots: roots.uris })
}

fn http(
    server: &Map<String, Value>,
    url: &str,
    concealer: &mut Concealer<'_>,
    notes: &mut Vec<String>,
) -> Result<Reach, String> {
    let target = concealer.target;
    let era = match text(server, &["type", "transport"]) {
        Some("sse") => Era::Legacy,
        Some("ws" | "websocket") => return Err("WebSocket is not supported".to_owned()),
        _ => Era::Unknown,
    };
    if !["http://", "https://", "${"].iter().any(|start| url.starts_with(start)) {
        return Err("its URL is neither http nor https".to_owned());
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    let (url, user) = concealer.url(url);
    if let Some(credential) = user {
        notes.push(format!(
            "`{target}`: the password in the URL became a header; export `Basic` and its base64"
        ));
        headers.push(("authorization".to_owned(), credential));
    }
    for (name, value) in entries(server, "headers") {
        let taken = |name: &String| headers.iter().any(|(known, _)| known == name);
        match (header_name(name), scalar(value)) {
            (Ok(name), Some(value)) if !taken(&name) && !value.is_empty() => {
                let value = concealer.header(&name, value.trim());
                headers.push((name, value));
            }
            _ => notes.push(format!("`{target}`: header {} is left out", quoted(name))),
        }
    }
    Ok(Reach::Http { url, era, headers })
}

fn note_ignored(name: &str, server: &Map<String, Value>, notes: &mut Vec<String>) {
    let ignored: Vec<_> =
        server.keys().filter(|key| !KNOWN.contains(&key.as_str())).map(|key| quoted(key)).collect();
    if !ignored.is_empty() {
        notes.push(format!("`{name}`: ignored {}", ignored.join(", ")));
    }
}

fn text<'a>(server: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a str> {
    let written = keys.iter().find_map(|key| server.get(*key).and_then(Value::as_str));
    written.filter(|text| !text.trim().is_empty())
}

fn entries<'a>(
    server: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    server.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// A text, number or boolean as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
