//! The payment of an expense: not before a manager has said, in a form, from which account.

use serde_json::{Value, json};

use super::books::Books;
use super::expense_schema;
use crate::server::{Answer, Call, Done, Question, Tool, Undone};

/// What can be paid from.
const ACCOUNTS: [&str; 2] = ["operating", "travel"];

/// The tool.
pub(super) fn tool(books: Books) -> Tool {
    Tool::new(entry(), move |call| {
        let books = books.clone();
        async move { pay(&books, &call).await }
    })
}

fn entry() -> Value {
    json!({
        "name": "pay_expense",
        "title": "Pay an expense",
        "description": "Pays an approved expense, from the account that the manager names in a form. It cannot be undone.",
        "inputSchema": {
            "type": "object",
            "properties": { "expense_id": { "type": "string", "description": "Such as E-0998" } },
            "required": ["expense_id"],
            "additionalProperties": false,
        },
        "outputSchema": expense_schema(),
        "annotations": {
            "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false,
        },
    })
}

async fn pay(books: &Books, call: &Call) -> Result<Done, Undone> {
    let id = call.required_text("expense_id")?;
    let expense = books.payable(&id).map_err(|refused| refused.of(&id))?;
    let form = json!({
        "type": "object",
        "properties": { "account": { "type": "string", "title": "From which account", "enum": ACCOUNTS } },
        "required": ["account"],
    });
    let answer = call.ask("account", Question::form(&expense.payment(), &form)).await?;
    let account = match answer {
        Answer::Accept(form) => form.string("account").filter(|account| ACCOUNTS.contains(&account.as_str())),
        Answer::No => None,
    };
    // Not paying is a result like any other: nothing went wrong.
    let Some(account) = account else {
        return Ok(Done::text(format!("{id} was not paid.")).with(expense.to_json()));
    };
    // Meanwhile somebody else may have paid it.
    let paid = books.pay(&id, &account).map_err(|refused| refused.of(&id))?;
    Ok(Done::text(paid.line()).with(paid.to_json()))
}
