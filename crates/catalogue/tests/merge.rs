//! Merging: order, collisions, priorities, the seam for policy.

mod support;

use std::sync::Arc;
use std::time::Duration;

use config::Target;
use mcp::Kind;
use portcullis_catalogue::{Capture, Claims, Owner, Reason, Renewed, merge};
use support::{bare, gateway, names, raw, reports, resources, shelf, target, templates, tools, view};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_order_is_that_of_the_configuration_then_of_the_server() {
    let gateway = gateway(vec![target("zeta"), target("alpha")]);
    let shelves = [shelf(&gateway, 1, &tools(&["b", "a"])), shelf(&gateway, 0, &tools(&["y", "x"]))];
    let view = merge(&gateway, &shelves, &Claims::default(), 1);
    assert_eq!(
        names(&view, Kind::Tool),
        ["zeta:zeta___y", "zeta:zeta___x", "alpha:alpha___b", "alpha:alpha___a"]
    );
}

#[test]
fn a_name_leads_back_to_its_target_by_table() {
    let gateway = gateway(vec![target("a"), target("a-b")]);
    let view = view(&gateway, &[tools(&["b___c", "x"]), tools(&["c"])]);
    let tool = view.tool("a___b___c").unwrap();
    assert_eq!((tool.target().map(|target| &**target), &*tool.upstream), (Some("a"), "b___c"));
    assert_eq!(view.tool("a-b___c").unwrap().owner, Owner::Target("a-b".into()));
    for unknown in ["b___c", "A___x", "a___x ", "a___X", ""] {
        assert!(view.tool(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn tools_and_prompts_have_names_of_their_own() {
    let gateway = gateway(vec![bare("a"), bare("b")]);
    let prompts = Capture { prompts: vec![raw(r#"{"name":"search"}"#)], ..Capture::default() };
    let view = view(&gateway, &[tools(&["search"]), prompts]);
    assert_eq!(&**view.tool("search").unwrap().target().unwrap(), "a");
    assert_eq!(&**view.prompt("search").unwrap().target().unwrap(), "b");
    assert_eq!(view.reports(), []);
}

#[test]
fn where_nobody_owns_a_name_the_first_target_gets_it() {
    let gateway = gateway(vec![bare("a"), bare("b")]);
    let view = view(&gateway, &[tools(&["search"]), tools(&["search", "fetch"])]);
    assert_eq!(names(&view, Kind::Tool), ["a:search", "b:fetch"]);
    assert_eq!(
        reports(&view),
        [
            "target `b`: tool `search` is not offered: the name belongs to target `a`; give one of the two a prefix, or rename it on a server"
        ]
    );
}

#[test]
fn the_owner_of_a_name_keeps_it_against_a_newcomer_that_is_configured_first() {
    let before = gateway(vec![bare("b")]);
    let mut claims = Claims::default();
    claims.renew(&shelf(&before, 0, &tools(&["search"])), 1000, HOUR, 10, |_| true);
    let after = gateway(vec![bare("a"), bare("b")]);
    let shelves = [shelf(&after, 0, &tools(&["search"])), shelf(&after, 1, &tools(&["search"]))];
    let view = merge(&after, &shelves, &claims, 2);
    assert_eq!(names(&view, Kind::Tool), ["b:search"]);
    assert_eq!(view.reports()[0].reason, Reason::NameTaken { by: "b".into() });
}

#[test]
fn an_owner_that_is_away_is_not_replaced() {
    let gateway = gateway(vec![bare("a"), bare("b")]);
    let mut claims = Claims::default();
    claims.renew(&shelf(&gateway, 1, &tools(&["search"])), 1000, HOUR, 10, |_| true);
    let view = merge(&gateway, &[shelf(&gateway, 0, &tools(&["search"]))], &claims, 2);
    assert!(view.tool("search").is_none());
}

#[test]
fn a_bare_target_cannot_pose_as_a_prefixed_one() {
    let gateway = gateway(vec![bare("evil"), target("legal")]);
    let view = view(&gateway, &[tools(&["legal___delete"]), tools(&["delete"])]);
    assert_eq!(names(&view, Kind::Tool), ["legal:legal___delete"]);
    assert_eq!(view.reports()[0].reason, Reason::ForeignPrefix { of: "legal".to_owned() });
}

#[test]
fn a_cleaned_name_never_meets_one_that_was_already_clean() {
    let gateway = gateway(vec![bare("a"), bare("b")]);
    let view = view(&gateway, &[tools(&["x.y", "x_y"]), tools(&["x.y"])]);
    assert_eq!(view.items(Kind::Tool).len(), 3);
    assert_eq!(view.reports(), []);
}

#[test]
fn a_uri_clash_goes_to_the_lowest_priority_then_to_the_first() {
    let first = |priority: u16, name: &str| Target { resource_priority: priority, ..target(name) };
    let gateway = gateway(vec![first(1000, "a"), first(10, "b"), first(10, "c")]);
    let all = resources(&["file:///x"]);
    let view = view(&gateway, &[all.clone(), all.clone(), all]);
    assert_eq!(names(&view, Kind::Resource), ["b:file:///x", "gateway:portcullis://status"]);
    let losers: Vec<_> =
        view.reports().iter().map(|report| (&*report.target, report.reason.clone())).collect();
    assert_eq!(
        losers,
        [("a", Reason::UriTaken { by: "b".into() }), ("c", Reason::UriTaken { by: "b".into() })]
    );
}

#[test]
fn unique_uris_stay_as_they_are() {
    let gateway = gateway(vec![target("a"), target("b")]);
    let view = view(&gateway, &[resources(&["file:///a", "FILE:///b"]), resources(&["file:///b"])]);
    assert_eq!(
        names(&view, Kind::Resource),
        ["a:file:///a", "a:FILE:///b", "b:file:///b", "gateway:portcullis://status"]
    );
}

#[test]
fn equal_templates_clash_like_uris() {
    let gateway = gateway(vec![target("a"), Target { resource_priority: 0, ..target("b") }]);
    let view = view(&gateway, &[templates(&["file:///{p}"]), templates(&["file:///{p}"])]);
    assert_eq!(names(&view, Kind::Template), ["b:file:///{p}"]);
}

#[test]
fn the_status_resource_is_always_listed_last() {
    let gateway = gateway(vec![]);
    let view = view(&gateway, &[]);
    assert_eq!(names(&view, Kind::Resource), ["gateway:portcullis://status"]);
    let item = view.get(Kind::Resource, "portcullis://status").unwrap();
    assert_eq!(item.owner, Owner::Gateway);
    assert!(item.text.as_str().contains("\"name\":\"Gateway status\""));
}

#[test]
fn a_shelf_of_an_unknown_target_is_left_out() {
    let old = gateway(vec![target("gone")]);
    let new = gateway(vec![target("legal")]);
    let view = merge(&new, &[shelf(&old, 0, &tools(&["a"]))], &Claims::default(), 1);
    assert_eq!(view.items(Kind::Tool).len(), 0);
    assert!(view.servers().is_empty());
}

#[test]
fn a_filtered_view_neither_lists_nor_finds_what_is_hidden() {
    let gateway = gateway(vec![target("legal"), target("finance")]);
    let whole = view(&gateway, &[tools(&["review", "delete"]), tools(&["pay"])]);
    let seen = whole.filter(|item| {
        &*item.upstream != "delete" && item.target().is_none_or(|target| &**target != "finance")
    });
    assert_eq!(names(&seen, Kind::Tool), ["legal:legal___review"]);
    assert!(seen.tool("legal___delete").is_none());
    let servers: Vec<&str> = seen.servers().iter().map(|server| &*server.target).collect();
    assert_eq!(servers, ["legal"]);
}

#[test]
fn a_filter_that_hides_nothing_costs_no_copy() {
    let gateway = gateway(vec![target("legal")]);
    let whole = view(&gateway, &[tools(&["review"])]);
    assert!(Arc::ptr_eq(&whole, &whole.filter(|_| true)));
}

#[test]
fn a_target_that_lists_nothing_is_not_hidden_by_a_filter() {
    let gateway = gateway(vec![target("empty"), target("finance")]);
    let whole = view(&gateway, &[Capture::default(), tools(&["pay"])]);
    let servers = whole.filter(|item| item.kind != Kind::Tool).servers().len();
    assert_eq!(servers, 1);
}

#[test]
fn claims_survive_a_restart() {
    let gateway = gateway(vec![bare("a"), bare("b")]);
    let mut claims = Claims::default();
    let listed = shelf(&gateway, 1, &tools(&["search", "fetch"]));
    assert_eq!(claims.renew(&listed, 1000, HOUR, 10, |_| true), Renewed::Changed);
    assert_eq!(claims.renew(&listed, 2000, HOUR, 10, |_| true), Renewed::Same);
    let stored = claims.of_target("b");
    assert_eq!(stored.len(), 2);
    assert_eq!(
        (stored[0].exposed.as_str(), stored[0].first_seen, stored[0].last_seen),
        ("fetch", 1000, 2000)
    );
    let mut restored = Claims::default();
    restored.restore(&"b".into(), &stored);
    assert_eq!(restored.of_target("b"), stored);
    assert_eq!(restored.owner(Kind::Tool, &"search".into()).map(|owner| &**owner), Some("b"));
}

#[test]
fn a_name_no_longer_listed_is_released_after_a_while() {
    let gateway = gateway(vec![bare("a"), bare("b")]);
    let mut claims = Claims::default();
    claims.renew(&shelf(&gateway, 0, &tools(&["search"])), 0, HOUR, 10, |_| true);
    let owner = |claims: &Claims| claims.owner(Kind::Tool, &"search".into()).cloned();
    claims.renew(&shelf(&gateway, 0, &tools(&[])), 3600, HOUR, 10, |_| true);
    assert_eq!(owner(&claims).as_deref(), Some("a"));
    assert_eq!(claims.renew(&shelf(&gateway, 0, &tools(&[])), 3601, HOUR, 10, |_| true), Renewed::Changed);
    assert_eq!(owner(&claims), None);
    claims.renew(&shelf(&gateway, 1, &tools(&["search"])), 3602, HOUR, 10, |_| true);
    assert_eq!(owner(&claims).as_deref(), Some("b"));
}

#[test]
fn a_server_that_lists_other_names_each_time_cannot_fill_the_table() {
    let gateway = gateway(vec![bare("a")]);
    let mut claims = Claims::default();
    for round in 0..100 {
        let listed = [format!("x{round}"), format!("y{round}")];
        claims.renew(&shelf(&gateway, 0, &tools(&[&listed[0], &listed[1]])), round, HOUR, 10, |_| true);
    }
    let kept = claims.of_target("a");
    assert_eq!(kept.len(), 12);
    assert!(kept.iter().all(|name| name.last_seen >= 94));
}

#[test]
fn a_name_that_may_not_be_claimed_stays_free() {
    let gateway = gateway(vec![bare("a")]);
    let mut claims = Claims::default();
    claims.renew(&shelf(&gateway, 0, &tools(&["x", "y"])), 0, HOUR, 10, |name| name != "x");
    assert_eq!(claims.owner(Kind::Tool, &"x".into()), None);
    assert!(claims.owner(Kind::Tool, &"y".into()).is_some());
}

#[test]
fn a_forgotten_target_frees_its_names() {
    let gateway = gateway(vec![bare("a")]);
    let mut claims = Claims::default();
    claims.renew(&shelf(&gateway, 0, &tools(&["x"])), 0, HOUR, 10, |_| true);
    claims.forget("a");
    assert_eq!(claims.owner(Kind::Tool, &"x".into()), None);
}
