//! The legal department's server: contracts to read, a first review of one, and what has to happen before it is in force.
//!
//! Speaks 2025-11-25 only, with sessions. Who approves or signs is asked in the middle of the call.

mod approval;
mod contract;
mod review;
mod signature;

use mcp::Object;
use net::Drain;
use serde_json::{Value, json};

use crate::server::http::Endpoint;
use crate::server::http::legacy::Legacy;
use crate::server::{Call, Done, Failed, Lists, Logs, Prompt, Resource, Sample, Template, Tool};
use contract::{CONTRACTS, Contract};
use signature::Signatures;

/// Serves the sample at `endpoint` until `drain` begins.
pub async fn serve(endpoint: Endpoint, drain: Drain) {
    let signatures = Signatures::at(endpoint.url());
    let server = Legacy::new(sample(&signatures));
    let handle = move |request| {
        let server = server.clone();
        async move { server.handle(request).await }
    };
    endpoint.serve_with_pages(handle, move |verb, path| signatures.page(verb, path), drain).await;
}

/// The server, described.
fn sample(signatures: &Signatures) -> Sample {
    Sample {
        name: "legal",
        title: "Legal",
        instructions: "Contracts of Example Corp. List them, read one, then ask for a review before anybody signs.",
        lists: Lists::Shared,
        logs: Logs::None,
        tools: vec![
            Tool::new(list_contracts_entry(), list_contracts),
            Tool::new(review_contract_entry(), review_contract),
            approval::tool(),
            signature::tool(signatures.clone()),
        ],
        prompts: vec![Prompt::new(contract_review_entry(), contract_review).completed_by(contract_ids)],
        resources: CONTRACTS.iter().map(resource).collect(),
        templates: vec![Template::new(contract_entry(), contract_at).completed_by(contract_ids)],
    }
}

fn list_contracts_entry() -> Value {
    json!({
        "name": "list_contracts",
        "title": "List contracts",
        "description": "Lists the contracts on file: id, title, the other party, and from when on it is in force.",
        "icons": [icon()],
        "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false },
        "outputSchema": {
            "type": "object",
            "properties": { "contracts": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "id": { "type": "string" },
                    "title": { "type": "string" },
                    "party": { "type": "string" },
                    "in_force_from": { "type": "string", "format": "date" },
                },
                "required": ["id", "title", "party", "in_force_from"],
            } } },
            "required": ["contracts"],
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

async fn list_contracts(_: Call) -> Result<Done, Failed> {
    let lines: Vec<String> =
        CONTRACTS.iter().map(|one| format!("{}: {}, with {}", one.id, one.title, one.party)).collect();
    let entry = |one: &Contract| json!({ "id": one.id, "title": one.title, "party": one.party, "in_force_from": one.in_force_from });
    let contracts: Vec<Value> = CONTRACTS.iter().map(entry).collect();
    Ok(Done::text(lines.join("\n")).with(json!({ "contracts": contracts })))
}

fn review_contract_entry() -> Value {
    json!({
        "name": "review_contract",
        "title": "Review a contract",
        "description": "Looks for clauses that need a lawyer's attention. Takes the id of a contract on file, or the text of \
                        another one; one of the two.",
        "icons": [icon()],
        "inputSchema": {
            "type": "object",
            "properties": {
                "contract_id": { "type": "string", "description": "A contract on file, such as msa-2026" },
                "text": { "type": "string", "description": "The text of a contract that is not on file" },
            },
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "risk": { "enum": ["low", "medium", "high"] },
                "findings": { "type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "severity": { "enum": ["low", "medium", "high"] },
                        "topic": { "type": "string" },
                        "quote": { "type": "string", "description": "The clause; empty where one is missing" },
                        "advice": { "type": "string" },
                    },
                    "required": ["severity", "topic", "quote", "advice"],
                } },
            },
            "required": ["risk", "findings"],
        },
        "annotations": { "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false },
    })
}

async fn review_contract(call: Call) -> Result<Done, Failed> {
    let text = match (call.text("contract_id"), call.text("text")) {
        (Some(id), None) => Contract::find(&id).ok_or_else(|| unknown(&id))?.text.to_owned(),
        (None, Some(text)) => text,
        _ => return Err(Failed("Give either `contract_id` or `text`, and not both.".to_owned())),
    };
    let clauses = review::clauses(&text);
    let total = clauses.len() as u64;
    let mut findings = Vec::new();
    for (done, clause) in (1..).zip(&clauses) {
        findings.extend(review::of_clause(clause));
        call.progress(done, total, &format!("clause {done} of {total}")).await;
    }
    findings.extend(review::missing(&text));
    Ok(review::report(&findings))
}

fn contract_review_entry() -> Value {
    json!({
        "name": "contract_review",
        "title": "Contract review",
        "description": "A review of one contract, for somebody who has to decide whether to sign it.",
        "icons": [icon()],
        "arguments": [{
            "name": "contract_id", "title": "Contract", "description": "A contract on file", "required": true,
        }],
    })
}

fn contract_review(arguments: &Object) -> Result<Value, Failed> {
    let id = arguments.string("contract_id").unwrap_or_default();
    let contract = Contract::find(&id).ok_or_else(|| unknown(&id))?;
    let ask = format!(
        "Review the contract below with {}. Say first whether Example Corp can sign it as it is. Then list, with the most \
         serious one first, each clause that should change, and write the words you would put in its place.",
        contract.party
    );
    let embedded = json!({ "uri": contract.uri(), "mimeType": "text/plain", "text": contract.text });
    Ok(json!([
        { "role": "user", "content": { "type": "text", "text": ask } },
        { "role": "user", "content": { "type": "resource", "resource": embedded } },
    ]))
}

fn resource(contract: &'static Contract) -> Resource {
    let entry = json!({
        "uri": contract.uri(),
        "name": contract.id,
        "title": contract.title,
        "description": format!("The text of the contract with {}", contract.party),
        "mimeType": "text/plain",
        "icons": [icon()],
    });
    Resource::new(entry, || contract.text.to_owned())
}

fn contract_entry() -> Value {
    json!({
        "uriTemplate": "contract://{id}",
        "name": "contract",
        "title": "Contract",
        "description": "The text of a contract on file, by its id",
        "mimeType": "text/plain",
    })
}

fn contract_at(uri: &str) -> Option<String> {
    Contract::find(uri.strip_prefix("contract://")?).map(|contract| contract.text.to_owned())
}

/// Values for the prompt's argument and for the template's variable alike.
fn contract_ids(argument: &str) -> Vec<String> {
    let known = matches!(argument, "contract_id" | "id");
    CONTRACTS.iter().filter(|_| known).map(|contract| contract.id.to_owned()).collect()
}

fn unknown(id: &str) -> Failed {
    Failed(format!("There is no contract `{id}` on file; `list_contracts` says which there are."))
}

fn icon() -> Value {
    const SCROLL: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                          %3Cpath d='M3 1h8l2 2v12H3z' fill='%23fff' stroke='%23345'/%3E\
                          %3Cpath d='M5 5h6M5 8h6M5 11h4' stroke='%23345'/%3E%3C/svg%3E";
    json!({ "src": SCROLL, "mimeType": "image/svg+xml", "sizes": ["any"] })
}
