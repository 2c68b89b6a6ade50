//! The correct answers, for whatever is not scripted.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::ledger::Arrival;
use super::request::Request;
use super::{Manner, Script};

const JSON: &str = "application/json";

/// What a well-behaved server of this manner does.
pub(super) fn correct(script: &Script, arrival: &Arrival, request: &Request) -> Behaviour {
    let legacy = script.manner == Manner::Legacy;
    if arrival.verb != "POST" {
        let status = if legacy && arrival.verb == "DELETE" { 200 } else { 405 };
        return Behaviour::Http(status, Vec::new(), String::new());
    }
    if request.id.is_none() {
        return Behaviour::Http(202, Vec::new(), String::new());
    }
    if legacy && request.method != "initialize" && arrival.header("mcp-session-id").is_none() {
        return Behaviour::Http(400, Vec::new(), "no session".to_owned());
    }
    match request.method.as_str() {
        "initialize" if legacy => initialize(script, arrival),
        "server/discover" if !legacy => Behaviour::Result(
            json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": script.capabilities,
                "ttlMs": 60000,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "hostile", "version": "1.0.0"}},
            })
            .to_string(),
        ),
        "ping" if legacy => Behaviour::Result("{}".to_owned()),
        "tools/list" => Behaviour::Result(list("tools", &script.tools, legacy)),
        "prompts/list" if script.capabilities.get("prompts").is_some() => {
            Behaviour::Result(list("prompts", &[], legacy))
        }
        "resources/list" if script.capabilities.get("resources").is_some() => {
            Behaviour::Result(list("resources", &[], legacy))
        }
        "resources/templates/list" if script.capabilities.get("resources").is_some() => {
            Behaviour::Result(list("resourceTemplates", &[], legacy))
        }
        "tools/call" => Behaviour::Error(json!({"code": -32602, "message": "Unknown tool"}).to_string()),
        method => {
            let error = json!({"code": -32601, "message": format!("Method not found: {method}")});
            let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#);
            let status = if legacy { 200 } else { 404 };
            Behaviour::Http(status, vec![("content-type".to_owned(), JSON.to_owned())], body)
        }
    }
}

fn initialize(script: &Script, arrival: &Arrival) -> Behaviour {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let message = arrival.message();
    let asked = message.pointer("/params/protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let known = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
    let version = if known.contains(&asked) { asked } else { "2025-11-25" };
    let result = json!({
        "protocolVersion": version,
        "capabilities": script.capabilities,
        "serverInfo": {"name": "hostile", "version": "1.0.0"},
    });
    let session = format!("hostile-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let headers = vec![("content-type".to_owned(), JSON.to_owned()), ("mcp-session-id".to_owned(), session)];
    Behaviour::Http(200, headers, format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#))
}

fn list(key: &str, items: &[String], legacy: bool) -> String {
    let hints = if legacy { "" } else { r#","resultType":"complete","ttlMs":0,"cacheScope":"public""# };
    format!(r#"{{"{key}":[{}]{hints}}}"#, items.join(","))
}
