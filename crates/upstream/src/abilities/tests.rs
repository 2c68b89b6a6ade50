use super::*;

fn abilities(capabilities: Value) -> Abilities {
    Abilities::of(&Raw::value(&capabilities))
}

#[test]
fn elicitation_without_a_mode_means_forms() {
    assert_eq!(abilities(json!({ "elicitation": {} })), Abilities::FORM);
    assert_eq!(abilities(json!({ "elicitation": { "form": {} } })), Abilities::FORM);
    assert_eq!(abilities(json!({ "elicitation": { "url": {} } })), Abilities::URL);
    let both = Abilities::FORM.with(Abilities::URL);
    assert_eq!(abilities(json!({ "elicitation": { "url": {}, "form": {} } })), both);
}

#[test]
fn what_is_no_object_declares_nothing() {
    for odd in [json!([]), json!({ "elicitation": true, "sampling": [], "roots": null })] {
        assert_eq!(abilities(odd), Abilities::NONE);
    }
}

#[test]
fn every_set_survives_being_declared() {
    for bits in 0..64 {
        let set = Abilities(bits);
        let tools_without_sampling = !set.contains(Abilities::SAMPLING)
            && !set.without(Abilities::FORM.with(Abilities::URL).with(Abilities::ROOTS)).is_empty();
        if !tools_without_sampling {
            assert_eq!(abilities(set.to_capabilities()), set, "{set:?}");
        }
    }
}

#[test]
fn what_is_not_allowed_is_taken_away_and_nothing_else() {
    let declared =
        Raw::value(&json!({ "elicitation": {}, "sampling": {}, "roots": { "listChanged": true }, "x": 1 }));
    assert_eq!(unasked(&declared).to_value(), json!({ "x": 1 }));
    let some =
        limited(&declared, Abilities::of(&declared), Abilities::FORM.with(Abilities::ROOTS)).to_value();
    assert_eq!(some, json!({ "elicitation": {}, "roots": { "listChanged": true }, "x": 1 }));
    let own = limited(&Raw::value(&json!({})), Abilities::NONE, Abilities::ROOTS).to_value();
    assert_eq!(own, json!({ "roots": {} }));
}
