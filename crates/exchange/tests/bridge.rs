//! What becomes of a server's answer on its way to a client of either era.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its premises do not hold")]

use bytes::Bytes;
use mcp::{Body, Era, Id, Kind, Message, Method, Raw, Response};
use portcullis_exchange::{Bridge, Extensions, Unfit};
use serde_json::{Value, json};

fn bridge(era: Era, method: Method) -> Bridge {
    Bridge { era, method, extensions: Extensions::None }
}

fn call(era: Era) -> Bridge {
    bridge(era, Method::CallTool)
}

fn response(text: &str) -> Response {
    match Body::from_server(Bytes::copy_from_slice(text.as_bytes()), 64) {
        Ok(Body::Single(Message::Response(response))) => response,
        other => panic!("{text}: {other:?}"),
    }
}

fn id(text: &str) -> Id {
    Id::of(&Raw::parse(text).unwrap()).unwrap()
}

fn said(bridge: &Bridge, text: &str) -> Result<String, Unfit> {
    let answer = bridge.answer(&id(r#""mine""#), &response(text))?;
    Ok(answer.into_raw().as_str().to_owned())
}

/// The answer to a result, whole.
fn answer(bridge: &Bridge, result: &str) -> Result<String, Unfit> {
    said(bridge, &format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#))
}

fn result(bridge: &Bridge, result: &str) -> Value {
    let text = answer(bridge, result).unwrap();
    serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))["result"].clone()
}

fn error(bridge: &Bridge, error: &str) -> Result<Value, Unfit> {
    let text = said(bridge, &format!(r#"{{"jsonrpc":"2.0","id":7,"error":{error}}}"#))?;
    Ok(serde_json::from_str::<Value>(&text).unwrap()["error"].clone())
}

const BOTH: [Era; 2] = [Era::Legacy, Era::Modern];

#[test]
fn a_key_that_stands_twice_in_the_result_is_refused_however_it_is_spelt() {
    for era in BOTH {
        for ambiguous in [
            r#"{"content":[],"content":[1]}"#,
            r#"{"content":[],"\u0063ontent":[1]}"#,
            r#"{"isError":true,"content":[],"isError":false}"#,
            r#"{"resultType":"complete","resultType":"input_required"}"#,
            r#"{"x-new":1,"x-new":1}"#,
            r#"{"_meta":{},"_meta":{}}"#,
        ] {
            assert_eq!(answer(&call(era), ambiguous), Err(Unfit::Ambiguous), "{era:?}: {ambiguous}");
        }
    }
}

#[test]
fn a_key_that_stands_twice_in_the_metadata_is_refused() {
    for era in BOTH {
        for ambiguous in [
            r#"{"_meta":{"a":1,"a":2}}"#,
            r#"{"_meta":{"a":1,"b":2,"\u0061":3}}"#,
            r#"{"_meta":{"dev.portcullis/x":1,"dev.portcullis\/x":2}}"#,
        ] {
            assert_eq!(answer(&call(era), ambiguous), Err(Unfit::Ambiguous), "{era:?}: {ambiguous}");
        }
    }
}

#[test]
fn what_is_below_is_for_the_client_to_judge() {
    let nested = r#"{"structuredContent":{"a":1,"a":2},"_meta":{"k":{"b":1,"b":2}}}"#;
    for era in BOTH {
        let text = answer(&call(era), nested).unwrap();
        assert!(text.contains(r#""structuredContent":{"a":1,"a":2},"_meta":{"k":{"b":1,"b":2}}"#), "{text}");
    }
}

#[test]
fn the_gateways_own_metadata_cannot_be_forged() {
    for era in BOTH {
        let forged = r#"{"_meta":{"keep":1,"dev.portcullis/target":"x","\u0064ev.portcullis/b":2,"also":3}}"#;
        assert_eq!(result(&call(era), forged)["_meta"], json!({"keep": 1, "also": 3}), "{era:?}");
        let only = r#"{"content":[],"_meta":{"dev.portcullis/target":"x"}}"#;
        assert_eq!(result(&call(era), only)["_meta"], json!({}), "{era:?}");
        let alike = r#"{"_meta":{"dev.portcullis":1,"xdev.portcullis/a":2,"Dev.Portcullis/a":3}}"#;
        let kept = json!({"dev.portcullis": 1, "xdev.portcullis/a": 2, "Dev.Portcullis/a": 3});
        assert_eq!(result(&call(era), alike)["_meta"], kept, "{era:?}");
    }
}

#[test]
fn forged_metadata_is_removed_however_much_there_is() {
    let forged: String =
        (0..40_000).map(|at| format!(r#""dev.portcullis/{at}":{at},"own{at}":{at},"#)).collect();
    let text = format!(r#"{{"content":[],"_meta":{{{forged}"last":0}}}}"#);
    for era in BOTH {
        let meta = result(&call(era), &text)["_meta"].clone();
        let meta = meta.as_object().unwrap();
        assert_eq!(meta.len(), 40_001, "{era:?}");
        assert!(meta.keys().all(|key| !key.starts_with("dev.portcullis/")));
    }
}

#[test]
fn a_result_type_that_is_no_string_is_refused() {
    for era in BOTH {
        for extensions in [Extensions::None, Extensions::Declared] {
            for kind in ["1", "null", "true", "[]", r#"["complete"]"#, r#"{"complete":1}"#, r#""\ud800""#] {
                let bridge = Bridge { era, method: Method::CallTool, extensions };
                let text = format!(r#"{{"resultType":{kind},"content":[]}}"#);
                assert_eq!(answer(&bridge, &text), Err(Unfit::UnknownType), "{era:?} {kind}");
            }
        }
    }
}

#[test]
fn a_result_type_of_an_extension_needs_a_client_that_declared_one() {
    let text = r#"{"resultType":"draft","draft":{"id":"1"}}"#;
    assert_eq!(answer(&call(Era::Modern), text), Err(Unfit::UnknownType));
    let declared = Bridge { extensions: Extensions::Declared, ..call(Era::Modern) };
    assert_eq!(result(&declared, text), json!({"resultType": "draft", "draft": {"id": "1"}}));
    // The gateway knows tasks, and has to have looked at them before.
    assert_eq!(answer(&declared, r#"{"resultType":"task","taskId":"1"}"#), Err(Unfit::UnknownType));
}

#[test]
fn a_question_that_nobody_offered_to_answer_is_refused() {
    for era in BOTH {
        for extensions in [Extensions::None, Extensions::Declared] {
            let bridge = Bridge { era, method: Method::CallTool, extensions };
            let asked = r#"{"resultType":"input_required","inputRequests":{}}"#;
            assert_eq!(answer(&bridge, asked), Err(Unfit::Question), "{era:?}");
            let visit = r#"{"code":-32042,"message":"visit","data":{"elicitations":[]}}"#;
            assert_eq!(error(&bridge, visit), Err(Unfit::Question), "{era:?}");
        }
    }
}

#[test]
fn a_result_that_is_no_object_is_refused() {
    for era in BOTH {
        for odd in ["null", "[]", r#""text""#, "1", "true"] {
            assert_eq!(answer(&call(era), odd), Err(Unfit::NotAnObject), "{era:?} {odd}");
        }
    }
}

#[test]
fn a_modern_client_is_told_the_result_type_and_a_legacy_one_is_not() {
    let plain = r#"{"content":[]}"#;
    assert_eq!(result(&call(Era::Modern), plain), json!({"content": [], "resultType": "complete"}));
    assert_eq!(result(&call(Era::Modern), "{}"), json!({"resultType": "complete"}));
    assert_eq!(result(&call(Era::Legacy), plain), json!({"content": []}));
    let modern = r#"{"resultType":"complete","content":[],"ttlMs":5,"cacheScope":"public"}"#;
    assert_eq!(result(&call(Era::Legacy), modern), json!({"content": []}));
}

#[test]
fn a_read_says_how_long_it_holds() {
    let read = bridge(Era::Modern, Method::ReadResource);
    let private = json!({"contents": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"});
    assert_eq!(result(&read, r#"{"contents":[]}"#), private);
    for wrong in
        [r#"{"contents":[],"ttlMs":-1,"cacheScope":"all"}"#, r#"{"contents":[],"ttlMs":"9","cacheScope":1}"#]
    {
        assert_eq!(result(&read, wrong), private, "{wrong}");
    }
    let said = json!({"contents": [], "resultType": "complete", "ttlMs": 9, "cacheScope": "public"});
    assert_eq!(result(&read, r#"{"contents":[],"ttlMs":9,"cacheScope":"public"}"#), said);
    assert!(result(&call(Era::Modern), r#"{"content":[]}"#).get("ttlMs").is_none());
}

#[test]
fn a_resource_that_is_missing_has_the_code_of_the_clients_era() {
    let code = |era, method, text: &str| error(&bridge(era, method), text).unwrap()["code"].clone();
    let legacy = r#"{"code":-32002,"message":"Resource not found","data":{"uri":"x://y"}}"#;
    let modern = r#"{"code":-32602,"message":"Resource not found","data":{"uri":"x://y"}}"#;
    assert_eq!(code(Era::Modern, Method::ReadResource, legacy), -32602);
    assert_eq!(code(Era::Legacy, Method::ReadResource, modern), -32002);
    assert_eq!(code(Era::Modern, Method::ReadResource, modern), -32602);
    assert_eq!(code(Era::Legacy, Method::ReadResource, legacy), -32002);
    let other = r#"{"code":-32602,"message":"`uri` is missing"}"#;
    assert_eq!(code(Era::Legacy, Method::ReadResource, other), -32602, "nothing is said about a resource");
    assert_eq!(code(Era::Legacy, Method::CallTool, modern), -32602, "a call does not read");
    let changed = error(&bridge(Era::Legacy, Method::ReadResource), modern).unwrap();
    assert_eq!(changed["data"], json!({"uri": "x://y"}));
    assert_eq!(changed["message"], "Resource not found");
}

#[test]
fn an_error_about_the_gateways_own_request_is_withheld() {
    for era in BOTH {
        for code in [-32020, -32022] {
            let text = format!(r#"{{"code":{code},"message":"x","data":{{"supported":[]}}}}"#);
            assert_eq!(error(&call(era), &text), Err(Unfit::Misunderstood), "{era:?} {code}");
            let nobodys = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{text}}}"#);
            assert_eq!(said(&call(era), &nobodys), Err(Unfit::Misunderstood), "{era:?} {code} without an id");
        }
    }
}

#[test]
fn other_errors_pass_as_they_were_written() {
    for era in BOTH {
        for text in [
            r#"{"code":-32021,"message":"needs sampling","data":{"required":["sampling"]}}"#,
            r#"{"code":-32601,"message":"Method not found"}"#,
            r#"{"message":"\u00e9","code":-31999,"data":{"retry":1.50,"x":1e2},"more":[1 , 2]}"#,
            r#"{}"#,
        ] {
            let whole = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{text}}}"#);
            let expected = whole.replace(":7,", r#":"mine","#);
            assert_eq!(said(&call(era), &whole), Ok(expected), "{era:?}");
        }
    }
}

#[test]
fn a_code_goes_on_as_it_was_read() {
    for era in BOTH {
        for (written, read) in
            [("-32001.0", -32001), (r#""-32001""#, -32001), ("-32042.5", -32603), ("\"x\"", -32603)]
        {
            let said = error(&call(era), &format!(r#"{{"code":{written},"message":"m","more":1}}"#));
            assert_eq!(said, Ok(json!({"code": read, "message": "m", "more": 1})), "{era:?} {written}");
        }
    }
}

#[test]
fn a_visit_is_a_question_however_its_code_is_spelt() {
    let data = r#""message":"m","data":{"elicitations":[{"mode":"url","url":"javascript:x","message":"m"}]}"#;
    for era in BOTH {
        for code in ["-32042", "-32042.0", "-32042e0", "-3.2042e4", r#""-32042""#, r#"" -32042 ""#] {
            let text = format!(r#"{{"code":{code},{data}}}"#);
            assert_eq!(error(&call(era), &text), Err(Unfit::Question), "{era:?} {code}");
            let nobodys = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{text}}}"#);
            assert_eq!(said(&call(era), &nobodys), Err(Unfit::Question), "{era:?} {code} without an id");
        }
        for keys in [
            r#""code":1,"code":-32042"#,
            r#""code":1,"\u0063ode":-32042"#,
            r#""code":1,"Code":-32042"#,
            r#""code":-32042,"CODE":1"#,
            r#""code":-32603,"Data":{}"#,
            r#""code":-32603,"me\u017f\u017fage":"m""#,
        ] {
            assert_eq!(
                error(&call(era), &format!("{{{keys},{data}}}")),
                Err(Unfit::Ambiguous),
                "{era:?} {keys}"
            );
        }
    }
}

#[test]
fn a_question_under_another_spelling_is_refused() {
    for era in BOTH {
        for key in ["ResultType", "resulttype", "reſultType", "InputRequests", "requeststate"] {
            let text = format!(r#"{{"content":[],"{key}":"input_required"}}"#);
            assert_eq!(answer(&call(era), &text), Err(Unfit::Ambiguous), "{era:?} {key}");
        }
    }
}

#[test]
fn an_error_without_an_id_gets_that_of_the_request() {
    for era in BOTH {
        for id in ["null", "absent"] {
            let id = if id == "absent" { "" } else { r#""id":null,"# };
            let text =
                said(&call(era), &format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-1,"message":"m"}}}}"#));
            let value: Value = serde_json::from_str(&text.unwrap()).unwrap();
            assert_eq!((&value["id"], &value["error"]["code"]), (&json!("mine"), &json!(-1)), "{era:?}");
            let text = said(&call(era), &format!(r#"{{"jsonrpc":"2.0",{id}"result":{{"content":[]}}}}"#));
            let value: Value = serde_json::from_str(&text.unwrap()).unwrap();
            assert_eq!((&value["id"], &value["error"]["code"]), (&json!("mine"), &json!(1502)), "{era:?}");
        }
    }
}

#[test]
fn structured_content_that_older_schemas_do_not_allow_is_dropped_for_legacy_clients_only() {
    for odd in ["null", "[1,2]", r#""text""#, "1.50", "true"] {
        let text = format!(r#"{{"content":[],"structuredContent":{odd}}}"#);
        let legacy = answer(&call(Era::Legacy), &text).unwrap();
        assert!(!legacy.contains("structuredContent"), "{legacy}");
        let modern = answer(&call(Era::Modern), &text).unwrap();
        assert!(modern.contains(&format!(r#""structuredContent":{odd}"#)), "{modern}");
    }
    for era in BOTH {
        let text = answer(&call(era), r#"{"structuredContent":{"a":null},"content":[]}"#).unwrap();
        assert!(text.contains(r#""structuredContent":{"a":null}"#), "{text}");
    }
}

#[test]
fn an_id_is_the_clients_own_whatever_its_type_and_spelling() {
    let ids = [
        "0",
        "-1",
        "7",
        "1.0",
        "9007199254740993",
        "123456789012345678901234567890",
        r#""7""#,
        r#""""#,
        r#""ü\"\\""#,
        r#""\u00fc\/""#,
        r#""{\"id\":7}""#,
    ];
    for theirs in ["7", r#""7""#, r#""longer than the other""#] {
        for mine in ids {
            for body in
                [r#""result":{"content":[],"id":7}"#, r#""error":{"code":-1,"message":"m","data":{"id":7}}"#]
            {
                // The member may stand before or after the payload.
                for text in [
                    format!(r#"{{"jsonrpc":"2.0","id":{theirs},{body}}}"#),
                    format!(r#"{{{body} , "id" : {theirs} ,"jsonrpc":"2.0"}}"#),
                ] {
                    let spliced = call(Era::Legacy).answer(&id(mine), &response(&text)).unwrap().into_raw();
                    let expected = text
                        .replace(&format!(r#""id":{theirs},{body}"#), &format!(r#""id":{mine},{body}"#))
                        .replace(&format!(r#""id" : {theirs} ,"#), &format!(r#""id" : {mine} ,"#));
                    assert_eq!(spliced.as_str(), expected);
                }
            }
        }
    }
}

#[test]
fn spelling_and_order_of_what_is_passed_on_survive() {
    let odd = r#"{ "z":1e2,"big":123456789012345678901234567890, "content":[{"type":"text","text":"\u00e9 \/"}] ,"a":-0.0,"x-new":[1 , 2],"_meta":{"example.test/k":1.50}"#;
    let text = format!("{odd}}}");
    assert_eq!(
        answer(&call(Era::Legacy), &text).unwrap(),
        format!(r#"{{"jsonrpc":"2.0","id":"mine","result":{text}}}"#)
    );
    let told = format!(r#"{odd},"resultType":"complete"}}"#);
    assert_eq!(
        answer(&call(Era::Modern), &text).unwrap(),
        format!(r#"{{"jsonrpc":"2.0","id":"mine","result":{told}}}"#)
    );
}

#[test]
fn lists_and_prompts_are_bridged_like_calls() {
    for method in [Method::GetPrompt, Method::Complete, Method::List(Kind::Tool)] {
        let modern = bridge(Era::Modern, method.clone());
        assert_eq!(result(&modern, "{}"), json!({"resultType": "complete"}));
        assert_eq!(result(&bridge(Era::Legacy, method), r#"{"resultType":"complete"}"#), json!({}));
    }
}
