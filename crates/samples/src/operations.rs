//! The operations team's server: incidents to look at, and runbooks that take their time.
//!
//! Runs as a child process and speaks on stdin and stdout, in either era. A runbook here changes nothing; it only takes
//! as long as it is told to, and says how far it is.

mod incident;
mod runbook;

use std::io;

use mcp::Object;
use serde_json::{Value, json};

use crate::server::{Call, Done, Failed, Lists, Logs, Prompt, Sample, Template, Tool, stdio};
use incident::{INCIDENTS, Incident};

/// Serves the sample on this process's stdin and stdout until stdin ends. Blocks; brings its own runtime.
///
/// # Errors
/// The runtime cannot be started, or stdin or stdout cannot be used.
pub fn run_on_stdio() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(stdio::serve(sample(), tokio::io::stdin(), tokio::io::stdout()));
    // A thread may still wait for a line; it ends with the process.
    runtime.shutdown_background();
    served
}

/// The server, described.
#[must_use]
pub fn sample() -> Sample {
    Sample {
        name: "operations",
        title: "Operations",
        instructions: "Incidents and runbooks of Example Corp. A runbook reports its progress; ask for it.",
        lists: Lists::Shared,
        logs: Logs::Info,
        tools: vec![
            Tool::new(list_incidents_entry(), list_incidents),
            Tool::new(get_incident_entry(), get_incident),
            Tool::new(runbook::entry(), runbook::run),
        ],
        prompts: vec![Prompt::new(incident_summary_entry(), incident_summary).completed_by(incident_ids)],
        resources: Vec::new(),
        templates: vec![Template::new(incident_entry(), incident_at).completed_by(incident_ids)],
    }
}

fn list_incidents_entry() -> Value {
    json!({
        "name": "list_incidents",
        "title": "List incidents",
        "description": "Lists incidents, by state if one is given.",
        "inputSchema": {
            "type": "object",
            "properties": { "state": { "enum": ["open", "resolved"], "description": "Only these; all when absent" } },
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": { "incidents": { "type": "array", "items": incident_schema() } },
            "required": ["incidents"],
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

async fn list_incidents(call: Call) -> Result<Done, Failed> {
    let state = call.text("state");
    let wanted = |incident: &&Incident| state.as_deref().is_none_or(|state| incident.state == state);
    let incidents: Vec<&Incident> = INCIDENTS.iter().filter(wanted).collect();
    let lines: Vec<String> = incidents.iter().map(|incident| incident.line()).collect();
    let structured: Vec<Value> = incidents.iter().map(|incident| incident.to_json()).collect();
    let text = if lines.is_empty() { "No such incidents.".to_owned() } else { lines.join("\n") };
    Ok(Done::text(text).with(json!({ "incidents": structured })))
}

fn get_incident_entry() -> Value {
    json!({
        "name": "get_incident",
        "title": "Get an incident",
        "description": "One incident with everything that has been noted about it.",
        "inputSchema": {
            "type": "object",
            "properties": { "incident_id": { "type": "string", "description": "Such as INC-4711" } },
            "required": ["incident_id"],
            "additionalProperties": false,
        },
        "outputSchema": incident_schema(),
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

async fn get_incident(call: Call) -> Result<Done, Failed> {
    let id = call.required_text("incident_id")?;
    let incident = Incident::find(&id).ok_or_else(|| unknown(&id))?;
    Ok(Done::text(incident.report()).with(incident.to_json()))
}

fn incident_summary_entry() -> Value {
    json!({
        "name": "incident_summary",
        "title": "Incident summary",
        "description": "A summary of one incident for people who were not there.",
        "arguments": [{ "name": "incident_id", "title": "Incident", "description": "Such as INC-4711", "required": true }],
    })
}

fn incident_summary(arguments: &Object) -> Result<Value, Failed> {
    let id = arguments.string("incident_id").unwrap_or_default();
    let incident = Incident::find(&id).ok_or_else(|| unknown(&id))?;
    let ask = format!(
        "Summarise this incident in three sentences for colleagues outside of engineering: what customers noticed, what is \
         being done, and what to expect next.\n\n{}",
        incident.report()
    );
    Ok(json!([{ "role": "user", "content": { "type": "text", "text": ask } }]))
}

fn incident_entry() -> Value {
    json!({
        "uriTemplate": "incident://{id}",
        "name": "incident",
        "title": "Incident",
        "description": "Everything that has been noted about an incident, by its id",
        "mimeType": "text/plain",
    })
}

fn incident_at(uri: &str) -> Option<String> {
    Incident::find(uri.strip_prefix("incident://")?).map(Incident::report)
}

/// Values for the prompt's argument and for the template's variable alike.
fn incident_ids(argument: &str) -> Vec<String> {
    let known = matches!(argument, "incident_id" | "id");
    INCIDENTS.iter().filter(|_| known).map(|incident| incident.id.to_owned()).collect()
}

fn incident_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "service": { "type": "string" },
            "severity": { "enum": ["minor", "major", "critical"] },
            "state": { "enum": ["open", "resolved"] },
            "summary": { "type": "string" },
            "notes": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["id", "service", "severity", "state", "summary", "notes"],
    })
}

fn unknown(id: &str) -> Failed {
    Failed(format!("There is no incident `{id}`; `list_incidents` says which there are."))
}
