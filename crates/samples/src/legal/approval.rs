//! The approval of a contract: whoever is responsible says so in a form. What was said is answered, and not kept.

use serde_json::{Value, json};

use super::contract::Contract;
use super::{icon, unknown};
use crate::server::{Answer, Call, Done, Question, Tool, Undone};

/// The tool.
pub(super) fn tool() -> Tool {
    Tool::new(entry(), approve)
}

fn entry() -> Value {
    json!({
        "name": "approve_contract",
        "title": "Approve a contract",
        "description": "Asks the person responsible, in a form, whether a contract may be signed.",
        "icons": [icon()],
        "inputSchema": {
            "type": "object",
            "properties": { "contract_id": { "type": "string", "description": "A contract on file, such as msa-2026" } },
            "required": ["contract_id"],
            "additionalProperties": false,
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

async fn approve(call: Call) -> Result<Done, Undone> {
    let id = call.required_text("contract_id")?;
    let contract = Contract::find(&id).ok_or_else(|| unknown(&id))?;
    let message = format!("May Example Corp sign the {} with {}?", contract.title, contract.party);
    let form = json!({
        "type": "object",
        "properties": {
            "approve": { "type": "boolean", "title": "Approve" },
            "remark": { "type": "string", "title": "Remark", "maxLength": 200 },
        },
        "required": ["approve"],
    });
    let text = match call.ask("approval", Question::form(&message, &form)).await? {
        Answer::Accept(form) => match (form.peek("approve"), form.string("remark")) {
            (Some(b"true"), Some(remark)) => format!("{id} is approved: {remark}"),
            (Some(b"true"), None) => format!("{id} is approved."),
            _ => format!("{id} is not approved."),
        },
        Answer::No => format!("Nobody has decided about {id}."),
    };
    Ok(Done::text(text))
}
