//! Steps in which a server asks a person in the middle of a call: in a form, and on a page, each in both eras.

use crate::demo::client::Reply;
use crate::demo::message::{Message, Meta};
use crate::demo::people::Who;
use crate::demo::step::{Act, Exchange, ID, Keep, PAGE, STATE, Shows, Step};

/// The steps. The three after the first use its session.
pub fn steps() -> [Step; 6] {
    [session(), declined(), accepted(), signed(), approved_later(), signed_later()]
}

fn session() -> Step {
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    Step {
        title: "Older clients, of 2025-11-25, shake hands first and get a session. The next three steps use it.",
        exchanges: vec![
            Exchange {
                look_for: "mcp-session-id in the headers",
                act: Act::Post(Message::initialize(Who::Alice)),
                shows: Shows::Head,
                keeps: &[Keep::Session],
                expect: |reply| match &reply.answer()["result"]["protocolVersion"] {
                    version if version == "2025-11-25" && reply.session.is_some() => Ok(()),
                    _ => Err(reply.summary()),
                },
            },
            Exchange::taken(Message::legacy(Who::Alice, initialized)),
        ],
    }
}

fn declined() -> Step {
    Step {
        title: "The finance server asks before it pays. The question comes on the stream of the call. Say no.",
        exchanges: vec![
            payment(),
            answer(r#"{"action":"decline"}"#),
            rest("E-0998 was not paid", |reply| says(reply, "E-0998 was not paid.")),
        ],
    }
}

fn accepted() -> Step {
    Step {
        title: "The same again, and this time the form is filled in.",
        exchanges: vec![
            payment(),
            answer(r#"{"action":"accept","content":{"account":"travel"}}"#),
            rest(
                "paid from travel",
                |reply| match &reply.answer()["result"]["structuredContent"]["paid_from"] {
                    account if account == "travel" => Ok(()),
                    _ => Err(reply.summary()),
                },
            ),
        ],
    }
}

fn signed() -> Step {
    Step {
        title: "The legal server has contracts signed on a page of its own. Neither the model nor the gateway sees what happens there.",
        exchanges: vec![
            Exchange {
                look_for: "the address of the page, and legal in brackets before the message: so a person knows who asks",
                act: Act::Hold(call_on_stream("legal___sign_contract", r#"{"contract_id":"nda-fabrikam"}"#)),
                shows: Shows::Body,
                keeps: &[ID, PAGE],
                expect: |reply| {
                    asks(&reply.answer()["params"], "url", "[legal] Sign")
                        .then_some(())
                        .ok_or_else(|| reply.summary())
                },
            },
            answer(r#"{"action":"accept"}"#),
            sign(),
            rest("nda-fabrikam is signed", |reply| says(reply, "nda-fabrikam is signed.")),
        ],
    }
}

fn approved_later() -> Step {
    let params = r#""name":"legal___approve_contract","arguments":{"contract_id":"msa-2026"},"#;
    let content = r#"{"approve":true,"remark":"Liability is limited now"}"#;
    Step {
        title: "A client of 2026-07-28 gets a question as a result, and sends its request again with the answer. The old server waits.",
        exchanges: vec![
            Exchange {
                look_for: "input_required, the form, and a sealed requestState",
                act: Act::Post(call("legal___approve_contract", params, "")),
                shows: Shows::Body,
                keeps: &[STATE],
                expect: |reply| requires(reply, "form", "[legal] May Example Corp sign"),
            },
            Exchange {
                look_for: "msa-2026 is approved",
                act: Act::Post(call(
                    "legal___approve_contract",
                    params,
                    &format!(r#"{{"action":"accept","content":{content}}}"#),
                )),
                shows: Shows::Body,
                keeps: &[],
                expect: |reply| says(reply, "msa-2026 is approved: Liability is limited now"),
            },
        ],
    }
}

fn signed_later() -> Step {
    let params = r#""name":"legal___sign_contract","arguments":{"contract_id":"lease-lisbon"},"#;
    Step {
        title: "And such a client is sent to a page.",
        exchanges: vec![
            Exchange {
                look_for: "the address of the page, and again who asks",
                act: Act::Post(call("legal___sign_contract", params, "")),
                shows: Shows::Body,
                keeps: &[STATE, PAGE],
                expect: |reply| requires(reply, "url", "[legal] Sign"),
            },
            sign(),
            Exchange {
                look_for: "lease-lisbon is signed",
                act: Act::Post(call("legal___sign_contract", params, r#"{"action":"accept"}"#)),
                shows: Shows::Body,
                keeps: &[],
                expect: |reply| says(reply, "lease-lisbon is signed."),
            },
        ],
    }
}

fn payment() -> Exchange {
    Exchange {
        look_for: "elicitation/create with a form, and finance in brackets before the message: so a person knows who asks",
        act: Act::Hold(call_on_stream("finance___pay_expense", r#"{"expense_id":"E-0998"}"#)),
        shows: Shows::Body,
        keeps: &[ID],
        expect: |reply| {
            let asked = asks(&reply.answer()["params"], "form", "[finance] Pay 129 EUR");
            asked.then_some(()).ok_or_else(|| reply.summary())
        },
    }
}

/// A call of a legacy client, on whose stream the server may ask.
fn call_on_stream(tool: &str, arguments: &str) -> Message {
    Message::legacy(
        Who::Alice,
        format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
        ),
    )
}

/// A call of a modern client; with `said`, the same again with what the person said.
fn call(tool: &str, params: &str, said: &str) -> Message {
    let again = match said {
        "" => String::new(),
        said => format!(r#""requestState":"$STATE","inputResponses":{{"question-1":{said}}},"#),
    };
    Message::modern(Who::Bob, "tools/call", &format!("{params}{again}"), Meta::ASKABLE).about(tool)
}

fn answer(said: &str) -> Exchange {
    let body = format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{said}}}"#);
    Exchange::taken(Message::legacy(Who::Alice, body))
}

fn sign() -> Exchange {
    Exchange {
        look_for: "Signed. In a browser the page has a button",
        act: Act::Sign,
        shows: Shows::Body,
        keeps: &[],
        expect: |reply| match reply.text.contains("Signed.") {
            true => Ok(()),
            false => Err(reply.summary()),
        },
    }
}

fn rest(look_for: &'static str, expect: fn(&Reply) -> Result<(), String>) -> Exchange {
    Exchange { look_for, act: Act::Rest, shows: Shows::Body, keeps: &[], expect }
}

fn says(reply: &Reply, text: &str) -> Result<(), String> {
    match reply.answer()["result"]["content"][0]["text"].as_str() {
        Some(said) if said == text => Ok(()),
        _ => Err(reply.summary()),
    }
}

fn requires(reply: &Reply, mode: &str, message: &str) -> Result<(), String> {
    let result = &reply.answer()["result"];
    let question = &result["inputRequests"]["question-1"]["params"];
    let sealed = result["requestState"].is_string() && result["resultType"] == "input_required";
    if sealed && asks(question, mode, message) { Ok(()) } else { Err(reply.summary()) }
}

fn asks(params: &serde_json::Value, mode: &str, message: &str) -> bool {
    let signed = params["message"].as_str().is_some_and(|text| text.starts_with(message));
    // A form's mode need not be written out.
    signed && params["mode"].as_str().unwrap_or("form") == mode
}
