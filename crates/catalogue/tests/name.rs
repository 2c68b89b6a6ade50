//! Exposed names.

mod support;

use portcullis_catalogue::name::{LENGTH_MAX, could_be_of, exposed, foreign_prefix, has_hidden_characters};
use proptest::prelude::*;
use support::{bare, gateway, target};

fn is_accepted(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LENGTH_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[test]
fn a_name_that_fits_is_only_prefixed() {
    let gateway = gateway(vec![target("legal")]);
    assert_eq!(exposed(&gateway, &gateway.targets[0], "review_contract"), "legal___review_contract");
}

#[test]
fn a_target_without_prefix_keeps_its_names() {
    let gateway = gateway(vec![bare("legal")]);
    assert_eq!(exposed(&gateway, &gateway.targets[0], "review-Contract_2"), "review-Contract_2");
}

#[test]
fn another_separator_is_used_when_written() {
    let gateway = config::Gateway { separator: "--".to_owned(), ..gateway(vec![target("legal")]) };
    assert_eq!(exposed(&gateway, &gateway.targets[0], "review"), "legal--review");
}

#[test]
fn other_characters_are_replaced_and_the_name_marked() {
    let gateway = gateway(vec![target("legal"), bare("files")]);
    // The suffixes are part of the contract: they must never change.
    assert_eq!(
        exposed(&gateway, &gateway.targets[0], "contracts.review/v2"),
        "legal___contracts_review_v2_bcbb7c"
    );
    assert_eq!(exposed(&gateway, &gateway.targets[1], "größe"), "gr__e_86a73b");
}

#[test]
fn a_long_name_is_cut_to_the_limit() {
    let gateway = gateway(vec![target("legal"), bare("files")]);
    let long = "a".repeat(200);
    for target in &gateway.targets {
        let name = exposed(&gateway, target, &long);
        assert_eq!(name.len(), LENGTH_MAX);
        assert!(is_accepted(&name));
    }
}

#[test]
fn a_name_of_exactly_the_limit_is_kept() {
    let gateway = gateway(vec![bare("files")]);
    let fits = "a".repeat(LENGTH_MAX);
    assert_eq!(exposed(&gateway, &gateway.targets[0], &fits), fits);
    assert_ne!(exposed(&gateway, &gateway.targets[0], &format!("{fits}a")), fits);
}

#[test]
fn names_that_differ_in_what_was_changed_stay_apart() {
    let gateway = gateway(vec![target("legal")]);
    let of = |name: &str| exposed(&gateway, &gateway.targets[0], name);
    assert_ne!(of("a.b"), of("a/b"));
    assert_ne!(of(&format!("{}x", "a".repeat(80))), of(&format!("{}y", "a".repeat(80))));
}

#[test]
fn only_a_bare_target_can_forge_a_prefix() {
    let gateway = gateway(vec![target("legal"), bare("evil"), bare("other")]);
    assert_eq!(foreign_prefix(&gateway, &gateway.targets[1], "legal___delete"), Some("legal"));
    assert_eq!(foreign_prefix(&gateway, &gateway.targets[1], "legal_delete"), None);
    assert_eq!(foreign_prefix(&gateway, &gateway.targets[1], "other___x"), None);
    assert_eq!(foreign_prefix(&gateway, &gateway.targets[0], "legal___delete"), None);
}

#[test]
fn an_unknown_name_is_asked_of_the_targets_it_could_belong_to() {
    let gateway = gateway(vec![target("legal"), target("finance"), bare("search")]);
    let asked = |name: &str| -> Vec<&str> {
        gateway
            .targets
            .iter()
            .filter(|target| could_be_of(&gateway, target, name))
            .map(|t| t.name.as_str())
            .collect()
    };
    assert_eq!(asked("legal___anything"), ["legal"]);
    assert_eq!(asked("anything"), ["search"]);
}

#[test]
fn hidden_characters_are_found() {
    for hidden in [
        "a\u{200B}b",
        "a\u{202E}b",
        "a\u{E0041}",
        "a\nb",
        "\u{0}",
        "a\u{FEFF}",
        "\u{2066}a",
        "a\u{7F}",
        "a\u{AD}b",
    ] {
        assert!(has_hidden_characters(hidden), "{hidden:?}");
    }
    for plain in ["review_contract", "größe", "検索", "a b", "a.b/c", "emoji 🎉"] {
        assert!(!has_hidden_characters(plain), "{plain:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_name_comes_out_acceptable_and_the_same_each_time(name in "\\PC{1,100}", prefixed: bool) {
        let target = if prefixed { target("legal") } else { bare("legal") };
        let gateway = gateway(vec![target]);
        let first = exposed(&gateway, &gateway.targets[0], &name);
        prop_assert!(is_accepted(&first), "{first}");
        prop_assert_eq!(first, exposed(&gateway, &gateway.targets[0], &name));
    }

    #[test]
    fn every_name_of_a_target_could_be_of_it(name in "[a-z./ü]{1,80}") {
        let gateway = gateway(vec![target("legal")]);
        prop_assert!(could_be_of(&gateway, &gateway.targets[0], &exposed(&gateway, &gateway.targets[0], &name)));
    }
}
