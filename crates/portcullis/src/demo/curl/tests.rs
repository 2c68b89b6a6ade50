use super::*;
use crate::demo::tour;

fn messages() -> Vec<Message> {
    let exchanges = tour::steps().into_iter().flat_map(|step| step.exchanges);
    exchanges
        .filter_map(|exchange| match exchange.act {
            Act::Post(message) | Act::Hold(message) => Some(message),
            Act::Rest | Act::Sign => None,
        })
        .collect()
}

#[test]
fn a_shell_reads_a_step_as_it_was_meant() {
    for message in messages() {
        let body = &message.body;
        assert!(!body.contains('\''), "{body}");
        let filled =
            ["$ID", "$STATE"].iter().fold(body.clone(), |body, variable| body.replace(variable, "7"));
        assert!(serde_json::from_str::<serde_json::Value>(&filled).is_ok(), "{filled}");
    }
    for step in tour::steps() {
        // Not every shell knows comments where people type: then the words are read as a command.
        for text in step.exchanges.iter().map(|exchange| exchange.look_for).chain([step.title]) {
            assert!(
                !text.contains([
                    '\'', '"', '(', ')', '`', '$', '*', '?', '!', ';', '&', '|', '<', '>', '[', ']'
                ]),
                "{text}"
            );
        }
    }
}

#[test]
fn variables_stand_outside_of_single_quotes() {
    assert_eq!(unquoted(r#"{"id":$ID,"s":"$STATE"}"#), r#"{"id":'"$ID"',"s":"'"$STATE"'"}"#);
}
