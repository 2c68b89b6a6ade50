//! Texts that are not one YAML document we can trust.

use crate::{SOUND, on_top, refused};

#[test]
fn an_empty_file_is_told_apart() {
    for text in ["", " ", "\n\n", "\u{feff}", "# only a comment\n", "---\n", "---\n...\n", "~", "null\n"] {
        refused(
            text,
            "p.yaml: is empty\n  help: write at least `gateways:`, or start from `portcullis import` or the examples",
        );
    }
}

#[test]
fn a_document_that_is_no_map_is_refused() {
    refused("- a\n- b\n", "p.yaml:1:1: must be a map, is a list");
    refused("gateways", "p.yaml:1:1: must be a map, is a text");
}

#[test]
fn tabs_are_named() {
    refused("gateways:\n\ta: {}\n", "p.yaml:2:2: a tab where YAML wants spaces\n  help: indent with spaces");
}

#[test]
fn an_open_quote_is_named() {
    let diagnostics = crate::read("listen: \"127.0.0.1\ngateways: {}\n").expect_err("refused");
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].message, "a quote is opened and never closed");
}

#[test]
fn a_wrong_indentation_is_placed() {
    let diagnostics =
        crate::read("gateways:\n  a:\n    streaming: true\n   inbound: none\n").expect_err("refused");
    assert_eq!((diagnostics.len(), diagnostics[0].line), (1, 4));
    assert_eq!(diagnostics[0].help, "indent this line like its siblings");
}

#[test]
fn tags_merge_keys_directives_and_further_documents_are_refused() {
    refused(
        "listen: !!str x\n",
        "p.yaml:1:15: tags are not supported\n  help: remove the word that starts with `!`",
    );
    refused(
        "a: &a { b: c }\nd:\n  <<: *a\n",
        "p.yaml:3:3: merge keys (`<<`) are not supported\n  help: write the keys out",
    );
    refused(
        "a: b\n---\nc: d\n",
        "p.yaml:2:1: a second document starts here\n  help: keep one document in a file",
    );
    refused("%YAML 1.2\n---\na: b\n", "p.yaml:1:1: not valid YAML: YAML directives are disallowed");
    refused("? [a, b]\n: c\n", "p.yaml:1:3: a key must be a single word");
}

#[test]
fn a_key_written_twice_is_refused_and_the_rest_is_still_read() {
    refused(
        &format!("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\nlimit: 1\n{SOUND}"),
        "p.yaml:2:1: key `listen` is written twice in this map, first in line 1\n  help: keep one of the two\n\
         p.yaml:3:1: limit: is not a known key\n  help: did you mean `limits`?",
    );
}

#[test]
fn an_alias_bomb_is_refused_before_it_unfolds() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let diagnostics = crate::read(&text).expect_err("refused");
    assert_eq!(diagnostics[0].message, "more than 50000 values once aliases are unfolded");
}

#[test]
fn an_alias_into_itself_is_refused() {
    refused(
        "a: &a [*a]\n",
        "p.yaml:1:8: this alias stands inside the value it names\n  help: write the value out",
    );
}

#[test]
fn an_unknown_alias_is_refused() {
    refused(
        "listen: *nowhere\n",
        "p.yaml:1:9: `*` names an anchor that does not exist\n  help: put quotes around a text that starts with `*`",
    );
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "{a: ".repeat(1000), "- ".repeat(1000)] {
        let diagnostics = crate::read(&text).expect_err("refused");
        assert_eq!(diagnostics[0].message, "nested deeper than 32 levels");
    }
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    refused(&on_top(&"#".repeat(1 << 20)), "p.yaml: is larger than 1 MiB");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    crate::snapshot(&format!("\u{feff}{SOUND}"));
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let diagnostics = crate::read("\"\\e[31mred\": 1\n").expect_err("refused");
    let shown = crate::shown(&diagnostics);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}
