//! Whatever the text, the loader answers: no panic, and a place for every mistake.

use portcullis_config::{import, parse};
use proptest::prelude::*;

/// Words of the language, to get behind the first check.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "gateways:",
            "a:",
            "inbound:",
            "none",
            "jwt:",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&a",
            "*a",
            "- ",
            "? ",
            ": ",
            "\n",
            "\n  ",
            "\n    ",
            "\n      ",
            "|",
            ">",
            "'",
            "\"",
            "#",
            "${",
            "}",
            "$${",
            "${A}",
            "targets:",
            "mcp:",
            "url:",
            "http://[::1]",
            "sessions:",
            "timeout:",
            "15m",
            "!!str",
            "---",
            "...",
            "%",
            "\t",
            "~",
            "<<:",
            "headers:",
            "\u{e000}",
            "\u{e001}",
            "\u{feff}",
            "999999999999999999999",
            "1e999",
            "0x",
            ".inf",
            "separator:",
            "limits:",
            "egress:",
            "allow:",
            "10.0.0.0/99",
            "command:",
            "env:",
            "args:",
            "versions:",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[ -~]{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_loader_never_panics(fragments in prop::collection::vec(fragment(), 0..60)) {
        let text = fragments.concat();
        if let Err(diagnostics) = parse(&text, "p.yaml", &|_| Some("x".to_owned())) {
            prop_assert!(!diagnostics.is_empty());
            let lines = text.lines().count() + 1;
            for diagnostic in diagnostics {
                prop_assert!(diagnostic.line <= lines + 1, "{diagnostic} in {text:?}");
                let has_escape = diagnostic.message.contains('\u{1b}');
                prop_assert!(!has_escape);
            }
        }
    }

    #[test]
    fn a_damaged_example_never_panics(at in 0usize..2000, junk in "[\\PC\n\t{}\\[\\]:]{0,3}", cut in 0usize..5) {
        let example = include_str!("../../../../examples/jwt.yaml");
        let mut chars: Vec<char> = example.chars().collect();
        let at = at.min(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, junk.chars());
        let text: String = chars.into_iter().collect();
        let _ = parse(&text, "p.yaml", &|_| Some("x".to_owned()));
    }

    #[test]
    fn the_import_never_panics(text in "[\\PC\n]{0,200}") {
        let _ = import(&text);
    }
}
