use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(template: &str, matching: &[&str], others: &[&str]) {
    let parsed = Template::parse(template).unwrap();
    for uri in matching {
        assert!(parsed.matches(uri), "{template} must match {uri}");
    }
    for uri in others {
        assert!(!parsed.matches(uri), "{template} must not match {uri}");
    }
}

#[test]
fn a_literal_matches_itself() {
    check("file:///a.txt", &["file:///a.txt"], &["file:///a.tx", "file:///a.txt2", "FILE:///a.txt", ""]);
    check("", &[""], &["a"]);
}

#[test]
fn a_simple_variable_stays_in_its_segment() {
    check(
        "users://{id}",
        &["users://7", "users://a.b-c_d~e", "users://%2Fetc", "users://ü", "users://a,b", "users://a:b@c d"],
        &["users://", "users://a/b", "users://a?b", "users://a#b", "users://a/", "user://a"],
    );
    check("a://{x}/b/{y}", &["a://1/b/2"], &["a://1/2/b/3", "a:///b/2", "a://1/b/"]);
}

#[test]
fn neighbours_are_told_apart_by_what_is_between_them() {
    check("a://{name}.{ext}", &["a://f.txt", "a://f.tar.gz"], &["a://f", "a://.gz", "a://f."]);
    check("{a}{b}", &["xy", "xyz"], &["x", ""]);
    check("{a}-{b}-c", &["1-2-c", "1-c-c-c"], &["1-c", "-2-c"]);
}

#[test]
fn a_reserved_variable_spans_segments() {
    check("file:///{+path}", &["file:///a", "file:///a/b/c.txt", "file:///a?b#c"], &["file:///", "file://a"]);
    check("a://{+path}/end", &["a://x/end", "a://x/end/end"], &["a://end", "a:///end2"]);
}

#[test]
fn a_fragment_may_be_absent() {
    check("a://b{#frag}", &["a://b", "a://b#", "a://b#x/y?z"], &["a://bx", "a://b?x"]);
}

#[test]
fn labels_begin_with_a_dot() {
    check("a://f{.ext}", &["a://f", "a://f.txt", "a://f.tar.gz"], &["a://ftxt", "a://f.a/b"]);
    check("a://f{.x,y}z", &["a://f.1.2z", "a://fz"], &["a://f.1.2"]);
}

#[test]
fn path_segments_are_counted_unless_exploded() {
    check("a:/{/seg}", &["a:/", "a://x", "a://"], &["a://x/y", "a:/x"]);
    check("a:/{/x,y}", &["a:/", "a://1", "a://1/2"], &["a://1/2/3"]);
    check("a:/{/seg*}", &["a:/", "a://1", "a://1/2/3"], &["a:/1", "a://1?2"]);
    check("a:/{/seg*}/end", &["a://1/2/end", "a://end"], &["a:/", "a://1/2"]);
}

#[test]
fn queries_take_known_names_in_any_order() {
    check(
        "a://s{?q,limit}",
        &[
            "a://s",
            "a://s?q=1",
            "a://s?limit=2",
            "a://s?q=1&limit=2",
            "a://s?limit=2&q=",
            "a://s?q=a/b?c",
            "a://s?q",
        ],
        &[
            "a://s?",
            "a://s?x=1",
            "a://s?q=1&x=2",
            "a://s?q=1&",
            "a://sq=1",
            "a://s?qq=1",
            "a://s&q=1",
            "a://s?q=1#f",
        ],
    );
    check("a://s{?q*}", &["a://s?a=1&b=2", "a://s?q=1&q=2"], &["a://s/x", "a://s?#"]);
    check("a://s?fixed=1{&q}", &["a://s?fixed=1", "a://s?fixed=1&q=2"], &["a://s?fixed=1&x=2", "a://s?q=2"]);
    check("a://s{?q}&v=1", &["a://s?q=x&v=1", "a://s&v=1"], &["a://s?q=x"]);
}

#[test]
fn parameters_begin_with_a_semicolon() {
    check(
        "a://s{;x,y}",
        &["a://s", "a://s;x=1", "a://s;x=1;y=2", "a://s;x"],
        &["a://s;z=1", "a://s;x=1/2", "a://sx=1"],
    );
}

#[test]
fn a_prefix_bounds_the_length_in_characters() {
    check(
        "a://{id:3}",
        &["a://1", "a://123", "a://%20%20%20", "a://üüü"],
        &["a://1234", "a://%20%20%20%20", "a://"],
    );
    check("a://{id:1}/{id}", &["a://c/cat"], &["a://ca/cat"]);
    check("a://{+p:4}/z", &["a://1/23/z"], &["a://1/234/z"]);
}

#[test]
fn a_variable_may_take_what_looks_like_the_literal_behind_it() {
    check("a{x}aab", &["aaaaab", "aaaab"], &["aaab", "aaaaa"]);
}

#[test]
fn refuses_what_is_no_template() {
    for (text, error) in [
        ("a{b", TemplateError::UnbalancedBrace { at: 1 }),
        ("a}b", TemplateError::UnbalancedBrace { at: 1 }),
        ("{a{b}}", TemplateError::UnbalancedBrace { at: 2 }),
        ("a{}", TemplateError::InvalidName { at: 1 }),
        ("{?}", TemplateError::InvalidName { at: 0 }),
        ("{a,}", TemplateError::InvalidName { at: 0 }),
        ("{a b}", TemplateError::InvalidName { at: 0 }),
        ("{é}", TemplateError::InvalidName { at: 0 }),
        ("{a:}", TemplateError::InvalidModifier { at: 0 }),
        ("{a:0}", TemplateError::InvalidModifier { at: 0 }),
        ("{a:10000}", TemplateError::InvalidModifier { at: 0 }),
        ("{a:x}", TemplateError::InvalidModifier { at: 0 }),
        ("a{=x}", TemplateError::UnknownOperator { operator: '=', at: 2 }),
        ("{|x}", TemplateError::UnknownOperator { operator: '|', at: 1 }),
    ] {
        assert_eq!(Template::parse(text), Err(error), "{text}");
    }
}

#[test]
fn is_bounded() {
    assert!(Template::parse(&"a".repeat(Template::BYTES_MAX)).is_ok());
    assert_eq!(Template::parse(&"a".repeat(Template::BYTES_MAX + 1)), Err(TemplateError::TooLong));
    assert!(Template::parse(&"{a}".repeat(Template::VARIABLES_MAX)).is_ok());
    assert_eq!(
        Template::parse(&"{a}".repeat(Template::VARIABLES_MAX + 1)),
        Err(TemplateError::TooManyVariables)
    );
    let anything = Template::parse("{+all}").unwrap();
    assert!(anything.matches(&"a".repeat(Template::URI_BYTES_MAX)));
    assert!(!anything.matches(&"a".repeat(Template::URI_BYTES_MAX + 1)));
}

#[test]
fn many_ways_through_a_uri_take_no_longer() {
    let template = Template::parse(&"{+a}a".repeat(Template::VARIABLES_MAX)).unwrap();
    assert!(template.matches(&"a".repeat(Template::URI_BYTES_MAX)));
    assert!(!template.matches(&format!("{}b", "a".repeat(Template::URI_BYTES_MAX - 1))));
}

#[test]
fn the_more_literal_template_wins() {
    let ordered = ["{+all}", "{a}://{b}/{c}", "a://{+b}", "a://{b}", "a://x/{b}", "a://x/y"];
    let specificities: Vec<_> =
        ordered.iter().map(|text| Template::parse(text).unwrap().specificity()).collect();
    assert!(specificities.is_sorted_by(|less, more| less < more), "{specificities:?}");
}

/// Expands level 1 to 3 expressions the way RFC 6570 says, with values that need no encoding.
fn expanded(operator: &str, names: &[String], values: &[String]) -> String {
    let pairs = names.iter().zip(values);
    let list = |separator: &str| values.join(separator);
    let named = |separator: &str| {
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(separator)
    };
    match operator {
        "" | "+" => list(","),
        "#" => format!("#{}", list(",")),
        "." => format!(".{}", list(".")),
        "/" => format!("/{}", list("/")),
        ";" => format!(";{}", named(";")),
        "?" => format!("?{}", named("&")),
        _ => format!("&{}", named("&")),
    }
}

proptest! {
    #[test]
    fn an_expansion_matches_its_template(
        parts in prop::collection::vec(
            (
                "[a-z:/]{0,5}",
                prop::sample::select(vec!["", "+", "#", ".", "/", ";", "?", "&"]),
                prop::collection::vec(("[a-z]{1,4}", "[a-zA-Z0-9~_-]{1,6}"), 1..4),
            ),
            0..5,
        ),
    ) {
        let mut template = String::new();
        let mut uri = String::new();
        for (literal, operator, variables) in parts {
            let (names, values): (Vec<_>, Vec<_>) = variables.into_iter().unzip();
            template.push_str(&format!("{literal}{{{operator}{}}}", names.join(",")));
            uri.push_str(&format!("{literal}{}", expanded(operator, &names, &values)));
        }
        prop_assert!(Template::parse(&template).unwrap().matches(&uri), "{} {}", template, uri);
    }

    #[test]
    fn any_text_is_read_or_refused(template in "[a-z{}+#./;?&,:*0-9%é]{0,40}", uri in "[a-z/?&=#;.%é]{0,40}") {
        if let Ok(template) = Template::parse(&template) {
            let _ = template.matches(&uri);
        }
    }
}
