//! The finance department's server: a budget, expenses, and their approval and payment, which are for managers.
//!
//! Speaks 2026-07-28 only. Whoever calls has to prove who they are, by a short-lived token for this server; what the
//! list shows and what a call does follow from the same verified roles.

mod books;
mod entrance;
mod payment;

use std::sync::Arc;

use clock::Clock;
use hyper::body::Incoming;
use net::Drain;
use serde_json::{Value, json};
use url::Url;

use crate::server::http::Endpoint;
use crate::server::http::modern::Modern;
use crate::server::{Call, Done, Failed, Lists, Logs, Resource, Sample, Tool};
use books::Books;
use entrance::Entrance;

pub use entrance::{AUDIENCE, NoEntrance};

/// Serves the sample at `endpoint` until `drain` begins, as long as the future is polled. Takes the tokens that `issuer`
/// signs, with the keys at `{issuer}/jwks.json`.
///
/// # Errors
/// Tokens of that issuer cannot be verified.
pub fn serve(
    endpoint: Endpoint,
    issuer: &Url,
    clock: Clock,
    drain: Drain,
) -> Result<impl Future<Output = ()> + Send + use<>, NoEntrance> {
    let entrance = Arc::new(Entrance::new(endpoint.url(), issuer, clock)?);
    let server = Modern::new(sample());
    let handle = move |request: http::Request<Incoming>| {
        let (entrance, server) = (entrance.clone(), server.clone());
        async move {
            match entrance.admit(request.headers()).await {
                Ok(caller) => server.handle(request, caller).await,
                Err(refusal) => refusal,
            }
        }
    };
    Ok(endpoint.serve(handle, drain))
}

/// The server, described. Each has books of its own.
#[must_use]
pub fn sample() -> Sample {
    let books = Books::of_2026();
    let with = |work: fn(&Books, &Call) -> Result<Done, Failed>| {
        let books = books.clone();
        move |call: Call| {
            let done = work(&books, &call);
            async move { done }
        }
    };
    let budget = books.clone();
    Sample {
        name: "finance",
        title: "Finance",
        instructions: "Budget and expenses of Example Corp, 2026. Amounts are whole euros. Managers can approve expenses and pay them.",
        lists: Lists::PerCaller,
        logs: Logs::None,
        tools: vec![
            Tool::new(budget_summary_entry(), with(budget_summary)),
            Tool::new(list_expenses_entry(), with(list_expenses)),
            Tool::new(approve_expense_entry(), with(approve_expense))
                .only_for(|caller| caller.has_role("manager")),
            payment::tool(books.clone()).only_for(|caller| caller.has_role("manager")),
        ],
        prompts: Vec::new(),
        resources: vec![Resource::new(budget_entry(), move || format!("{:#}", budget.budget()))],
        templates: Vec::new(),
    }
}

fn budget_summary_entry() -> Value {
    json!({
        "name": "budget_summary",
        "title": "Budget summary",
        "description": "What each department may spend in 2026, and what it has spent so far.",
        "inputSchema": {
            "type": "object",
            "properties": { "department": { "type": "string", "description": "Only this one; all when absent" } },
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": { "departments": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "planned_eur": { "type": "integer" },
                    "spent_eur": { "type": "integer" },
                },
                "required": ["name", "planned_eur", "spent_eur"],
            } } },
            "required": ["departments"],
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

fn budget_summary(books: &Books, call: &Call) -> Result<Done, Failed> {
    let departments = books.departments(call.text("department").as_deref());
    if departments.is_empty() {
        return Err(Failed("There is no such department; leave `department` out to see all.".to_owned()));
    }
    let line = |one: &Value| {
        format!(
            "{}: {} of {} EUR",
            one["name"].as_str().unwrap_or_default(),
            one["spent_eur"],
            one["planned_eur"]
        )
    };
    let lines: Vec<String> = departments.iter().map(line).collect();
    Ok(Done::text(lines.join("\n")).with(json!({ "departments": departments })))
}

fn list_expenses_entry() -> Value {
    json!({
        "name": "list_expenses",
        "title": "List expenses",
        "description": "Lists expense reports, by state if one is given.",
        "inputSchema": {
            "type": "object",
            "properties": { "state": { "enum": ["open", "approved", "paid"], "description": "Only these; all when absent" } },
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": { "expenses": { "type": "array", "items": expense_schema() } },
            "required": ["expenses"],
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

fn list_expenses(books: &Books, call: &Call) -> Result<Done, Failed> {
    let expenses = books.expenses(call.text("state").as_deref());
    let lines: Vec<String> = expenses.iter().map(|expense| expense.line()).collect();
    let structured: Vec<Value> = expenses.iter().map(|expense| expense.to_json()).collect();
    let text = if lines.is_empty() { "No such expenses.".to_owned() } else { lines.join("\n") };
    Ok(Done::text(text).with(json!({ "expenses": structured })))
}

fn approve_expense_entry() -> Value {
    json!({
        "name": "approve_expense",
        "title": "Approve an expense",
        "description": "Approves an open expense report in the caller's name. For managers; it cannot be undone.",
        "inputSchema": {
            "type": "object",
            "properties": { "expense_id": { "type": "string", "description": "Such as E-1001" } },
            "required": ["expense_id"],
            "additionalProperties": false,
        },
        "outputSchema": expense_schema(),
        "annotations": {
            "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false,
        },
    })
}

fn approve_expense(books: &Books, call: &Call) -> Result<Done, Failed> {
    let id = call.required_text("expense_id")?;
    let approved = books.approve(&id, &call.caller.subject).map_err(|refused| refused.of(&id))?;
    Ok(Done::text(approved.line()).with(approved.to_json()))
}

fn expense_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "who": { "type": "string" },
            "what": { "type": "string" },
            "amount_eur": { "type": "integer" },
            "state": { "enum": ["open", "approved", "paid"] },
            "approved_by": { "type": "string" },
            "paid_from": { "type": "string" },
        },
        "required": ["id", "who", "what", "amount_eur", "state"],
    })
}

fn budget_entry() -> Value {
    json!({
        "uri": "finance://budget/2026",
        "name": "budget-2026",
        "title": "Budget 2026",
        "description": "The budget as it stands now",
        "mimeType": "application/json",
    })
}
