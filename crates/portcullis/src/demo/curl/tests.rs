use super::*;
use crate::demo::tour;

#[test]
fn a_shell_reads_a_step_as_it_was_meant() {
    for step in tour::steps() {
        let body = body(&step);
        assert!(!body.contains('\''), "{body}");
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        // Not every shell knows comments where people type: then the words are read as a command.
        for text in [step.title, step.look_for] {
            assert!(
                !text.contains(['\'', '"', '(', ')', '`', '$', '*', '?', '!', ';', '&', '|', '<', '>']),
                "{text}"
            );
        }
    }
}
