use super::*;

pub(crate) fn rules(era: Era) -> Rules {
    let may = Abilities::FORM.with(Abilities::URL).with(Abilities::SAMPLING).with(Abilities::ROOTS);
    Rules {
        target: "legal".into(),
        era,
        declared: may,
        may,
        form_secrets: FormSecrets::Refuse,
        private_urls: Rule::Refuse,
        sampling: Some(Sampling { max_tokens: 100, calls: 2, nesting: 1 }),
        roots: None,
        questions: 9,
        rounds: 3,
        question_bytes: 4096,
        round_bytes: 8192,
        patience: Duration::from_secs(1),
    }
}

fn secret_of(field: &str, word: &'static str) -> Refused {
    Refused::Secret { field: field.to_owned(), word }
}

fn judged(rules: &Rules, kind: Kind, params: Value) -> Result<Value, Refused> {
    let params = Object::of(&Raw::value(&params)).unwrap();
    rules.judge(kind, &params).map(|fair| fair.params.to_value())
}

#[test]
fn question_says_which_target_asks() {
    let form =
        json!({ "message": "Sure?", "requestedSchema": { "type": "object", "properties": {} }, "x": 1 });
    let legacy = judged(&rules(Era::Legacy), Kind::Form, form.clone()).unwrap();
    assert_eq!((&legacy["message"], &legacy["x"]), (&json!("[legal] Sure?"), &json!(1)));
    assert_eq!(legacy["_meta"], json!({ "dev.portcullis/target": "legal" }));
    let modern = judged(&rules(Era::Modern), Kind::Form, form).unwrap();
    assert_eq!((&modern["message"], modern.get("_meta")), (&json!("[legal] Sure?"), None));
    let forged = json!({ "_meta": { "dev.portcullis/target": "bank", "progressToken": 1, "own": 2 } });
    let roots = judged(&rules(Era::Legacy), Kind::Roots, forged.clone()).unwrap();
    assert_eq!(roots["_meta"], json!({ "dev.portcullis/target": "legal", "own": 2 }));
    assert_eq!(judged(&rules(Era::Modern), Kind::Roots, forged).unwrap()["_meta"], json!({ "own": 2 }));
}

#[test]
fn address_has_an_id_where_the_clients_revision_knows_one() {
    let url = json!({ "mode": "url", "message": "Go", "url": "https://x.example/", "elicitationId": "e" });
    assert_eq!(judged(&rules(Era::Legacy), Kind::Url, url.clone()).unwrap()["elicitationId"], "e");
    assert!(judged(&rules(Era::Modern), Kind::Url, url).unwrap().get("elicitationId").is_none());
    let bare = json!({ "mode": "url", "message": "Go", "url": "https://x.example/" });
    assert!(judged(&rules(Era::Legacy), Kind::Url, bare).unwrap()["elicitationId"].is_string());
}

#[test]
fn sampling_is_cut_to_its_bounds() {
    let ask = |params| judged(&rules(Era::Legacy), Kind::Sampling, params).unwrap();
    for (tokens, asked) in
        [(json!(50), json!(50)), (json!(1_000_000_000), json!(100)), (json!(-1), json!(100))]
    {
        assert_eq!(ask(json!({ "messages": [], "maxTokens": tokens }))["maxTokens"], asked);
    }
    assert_eq!(ask(json!({ "messages": [] }))["maxTokens"], 100);
    assert!(ask(json!({ "includeContext": "allServers" })).get("includeContext").is_none());
    let off = Rules { sampling: None, ..rules(Era::Legacy) };
    assert!(matches!(judged(&off, Kind::Sampling, json!({})), Err(Refused::Undeclared(_))));
}

#[test]
fn what_may_not_be_asked_is_refused() {
    let rules = rules(Era::Legacy);
    let no = |kind, params| judged(&rules, kind, params).unwrap_err();
    let secret =
        json!({ "message": "?", "requestedSchema": { "properties": { "token": { "type": "string" } } } });
    assert_eq!(no(Kind::Form, secret.clone()), secret_of("token", "token"));
    let said = secret_of("token", "token").to_string();
    for named in ["`token`", "in the field `token`", "`form_secrets: allow`"] {
        assert!(said.contains(named), "{said}");
    }
    assert!(matches!(no(Kind::Form, json!({ "message": "?" })), Refused::Malformed(_)));
    assert!(matches!(no(Kind::Url, json!({ "message": "?" })), Refused::Malformed(_)));
    let script = json!({ "message": "?", "url": "javascript:x" });
    assert!(matches!(no(Kind::Url, script), Refused::Address(_)));
    assert!(matches!(no(Kind::Sampling, json!({ "tools": [] })), Refused::Undeclared(_)));
    let allowed = Rules { form_secrets: FormSecrets::Allow, ..rules.clone() };
    assert!(judged(&allowed, Kind::Form, secret).is_ok());
}

#[test]
fn question_that_can_be_read_in_two_ways_is_refused() {
    let rules = rules(Era::Legacy);
    for (kind, text) in [
        (Kind::Url, r#"{"message":"m","url":"https://a.example/","url":"javascript:x"}"#),
        (Kind::Url, r#"{"message":"m","url":"https://a.example/","URL":"javascript:x"}"#),
        (Kind::Url, r#"{"message":"m","url":"https://a.example/","\u0055rl":"javascript:x"}"#),
        (Kind::Form, r#"{"message":"m","requestedSchema":{},"requeſtedSchema":{"properties":{"token":{}}}}"#),
        (
            Kind::Form,
            r#"{"message":"m","requestedSchema":{"properties":{"a":{"title":"Password","title":"Name"}}}}"#,
        ),
        (Kind::Form, r#"{"message":"m","requestedSchema":{"properties":{"token":{}},"properties":{}}}"#),
        (Kind::Sampling, r#"{"messages":[],"maxTokens":1,"MaxTokens":1000000}"#),
    ] {
        let params = Object::of(&Raw::parse(text).unwrap()).unwrap();
        assert!(matches!(rules.judge(kind, &params), Err(Refused::Malformed(_))), "{text}");
    }
}

#[test]
fn question_that_is_too_large_is_refused_with_the_limits_name() {
    let rules = rules(Era::Modern);
    let long = json!({ "message": "x".repeat(5000), "requestedSchema": {} });
    let refused = judged(&rules, Kind::Form, long.clone()).unwrap_err();
    let error = rules.error(&refused);
    assert_eq!(error.code, ANSWER_TOO_LARGE);
    assert!(error.message.contains("`limits.question_bytes`"), "{}", error.message);
    let round = |requests: Value, state: &str| {
        let result = json!({ "inputRequests": requests, "requestState": state });
        crate::round::Round::read(&Object::of(&Raw::value(&result)).unwrap(), &rules).map(|_| ()).unwrap_err()
    };
    let entry = json!({ "method": "elicitation/create", "params": long });
    assert_eq!(round(json!({ "a": entry, "b": entry }), ""), Refused::Large("round_bytes"));
    assert_eq!(round(json!({ "a": entry }), &"s".repeat(4000)), Refused::Large("round_bytes"));
}

#[test]
fn question_has_no_part_of_another_kind() {
    let form = json!({ "properties": { "token": { "type": "string" } } });
    let url = json!({ "message": "m", "url": "https://a.example/", "requestedSchema": form });
    assert!(judged(&rules(Era::Legacy), Kind::Url, url).unwrap().get("requestedSchema").is_none());
    let form = json!({ "message": "m", "requestedSchema": {}, "url": "javascript:x" });
    assert!(judged(&rules(Era::Legacy), Kind::Form, form).unwrap().get("url").is_none());
}

#[test]
fn text_above_a_form_is_looked_at_where_the_operator_says_so() {
    let asks = |message: &str, kind: &str| json!({ "message": message, "requestedSchema": { "properties": { "answer": { "type": kind } } } });
    let strict = Rules { form_secrets: FormSecrets::RefuseInText, ..rules(Era::Legacy) };
    let refused = judged(&strict, Kind::Form, asks("Enter your API key", "string"));
    assert_eq!(refused, Err(secret_of("message", "key")));
    assert!(judged(&strict, Kind::Form, asks("Shall the password be reset?", "boolean")).is_ok());
    assert!(judged(&strict, Kind::Form, asks("Enter your name", "string")).is_ok());
    assert!(judged(&rules(Era::Legacy), Kind::Form, asks("Enter your API key", "string")).is_ok());
}

#[test]
fn client_learns_of_a_capability_only_when_it_is_the_one_that_lacks_it() {
    let lacking = Rules { declared: Abilities::FORM, may: Abilities::FORM, ..rules(Era::Modern) };
    let error = lacking.error(&Refused::Undeclared(Abilities::SAMPLING));
    assert_eq!(error.code, MISSING_CAPABILITY);
    assert_eq!(error.data.unwrap(), json!({ "requiredCapabilities": { "sampling": {} } }));
    let withheld = Rules { may: Abilities::FORM, ..rules(Era::Modern) };
    assert_eq!(withheld.error(&Refused::Undeclared(Abilities::SAMPLING)).code, BACKEND_BROKE_PROTOCOL);
    assert_eq!(withheld.error(&secret_of("x", "pin")).code, POLICY_DENIED);
}
