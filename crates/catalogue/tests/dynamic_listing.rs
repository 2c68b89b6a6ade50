//! Dynamic listings: live under the caller, kept for nobody else.

mod support;

use std::collections::BTreeSet;

use identity::Verified;
use mcp::Kind;
use portcullis_catalogue::status::{State, Trouble};
use portcullis_catalogue::{Freshness, Missed};
use support::server::{Answer, Server, tools_page};
use support::world::{World, caller, caller_with, dynamic, hasty, patient};
use support::{bare, names, target};

/// Shows `approve` to alice only.
fn finance(caller: Option<&str>, _kind: Kind, _cursor: Option<&str>) -> Answer {
    match caller {
        Some("alice") => Answer::Result(tools_page(&["report", "approve"])),
        Some(_) => Answer::Result(tools_page(&["report"])),
        None => Answer::Error(-32000),
    }
}

#[tokio::test]
async fn each_caller_sees_what_the_server_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::with_tools(&["review"]), Server::scripted(finance)];
    let world = World::start(
        dir.path(),
        patient(vec![target("legal"), dynamic(target("finance"))]),
        &servers.each_ref(),
    );
    world.until_tools("bob", &["legal:legal___review", "finance:finance___report"]).await;
    let alice = ["legal:legal___review", "finance:finance___report", "finance:finance___approve"];
    assert_eq!(world.tools("alice").await, alice);
    assert_eq!(world.tools("bob").await, alice[..2]);
}

#[tokio::test]
async fn what_one_caller_was_shown_another_can_neither_list_nor_find() {
    let dir = tempfile::tempdir().unwrap();
    let finance = Server::scripted(finance);
    let world = World::start(dir.path(), patient(vec![dynamic(target("finance"))]), &[&finance]);
    world.seen("alice").await;
    assert!(world.catalogue.known(&caller("bob").principal).view.tool("finance___approve").is_none());
    assert!(world.catalogue.find(&caller("alice"), Kind::Tool, "finance___approve").await.is_ok());
    let missed = world.catalogue.find(&caller("bob"), Kind::Tool, "finance___approve").await.unwrap_err();
    assert_eq!(missed, Missed::Unknown);
}

#[tokio::test]
async fn other_grants_are_another_listing() {
    let dir = tempfile::tempdir().unwrap();
    let finance = Server::scripted(finance);
    let world = World::start(dir.path(), patient(vec![dynamic(target("finance"))]), &[&finance]);
    let with = |role: &str, scope: &str, issued: u64| {
        let claims = serde_json::json!({ "role": role, "iat": issued, "jti": format!("t{issued}") });
        let serde_json::Value::Object(claims) = claims else { panic!() };
        let scopes = BTreeSet::from([scope.to_owned()]);
        caller_with(Verified { subject: "alice".to_owned(), claims, scopes, ..Verified::default() })
    };
    let known =
        |caller: &upstream::Caller| world.catalogue.known(&caller.principal).view.items(Kind::Tool).len();
    world.catalogue.seen(&with("manager", "read", 1), Freshness::Live).await;
    assert_eq!(known(&with("manager", "read", 1)), 2);
    assert_eq!(known(&with("manager", "read", 2)), 2);
    assert_eq!(known(&with("clerk", "read", 1)), 0);
    assert_eq!(known(&with("manager", "write", 1)), 0);
}

#[tokio::test]
async fn a_list_is_live_unless_the_server_gives_it_a_time_to_live() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [
        Server::with_tools(&["a"]),
        Server::scripted(|_, _, _| Answer::Result(r#"{"tools":[{"name":"b"}],"ttlMs":3600000}"#.to_owned())),
    ];
    let targets = vec![dynamic(target("live")), dynamic(target("kept"))];
    let world = World::start(dir.path(), patient(targets), &servers.each_ref());
    for _ in 0..3 {
        world.seen("alice").await;
    }
    assert_eq!((servers[0].asked(), servers[1].asked()), (3, 1));
    servers[0].becomes(|_, _, _| Answer::Result(tools_page(&["c"])));
    assert_eq!(world.tools("alice").await, ["live:live___c", "kept:kept___b"]);
}

#[tokio::test]
async fn the_pages_after_the_first_ask_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let live = Server::with_tools(&["a"]);
    let world = World::start(dir.path(), patient(vec![dynamic(target("live"))]), &[&live]);
    let first = world.seen("alice").await;
    let next = world.catalogue.seen(&caller("alice"), Freshness::Continued).await;
    assert_eq!(live.asked(), 1);
    assert_eq!(first.view.generation(), next.view.generation());
}

#[tokio::test]
async fn the_same_lists_keep_their_view() {
    let dir = tempfile::tempdir().unwrap();
    let live = Server::with_tools(&["a"]);
    let world = World::start(dir.path(), patient(vec![dynamic(target("live"))]), &[&live]);
    let generations =
        [world.seen("alice").await, world.seen("alice").await].map(|seen| seen.view.generation());
    assert_eq!(generations[0], generations[1]);
}

#[tokio::test]
async fn a_target_that_went_away_shows_its_last_list_to_the_same_caller_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::scripted(finance);
    let world = World::start(dir.path(), patient(vec![dynamic(target("finance"))]), &[&server]);
    world.seen("alice").await;
    server.becomes(|_, _, _| Answer::Down);
    let alice = world.seen("alice").await;
    assert_eq!(names(&alice.view, Kind::Tool).len(), 2);
    assert_eq!(
        (alice.statuses[0].state, alice.statuses[0].trouble),
        (State::Stale, Some(Trouble::Unreachable))
    );
    let bob = world.seen("bob").await;
    assert_eq!(names(&bob.view, Kind::Tool), Vec::<String>::new());
    assert_eq!(bob.statuses[0].state, State::Missing);
    assert_eq!(bob.ttl, std::time::Duration::ZERO);
}

#[tokio::test]
async fn a_slow_target_does_not_hold_up_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::hanging(), Server::with_tools(&["read"])];
    let world =
        World::start(dir.path(), hasty(vec![dynamic(target("slow")), target("files")]), &servers.each_ref());
    world.until_tools("alice", &["files:files___read"]).await;
    let seen = world.seen("alice").await;
    assert_eq!((seen.statuses[0].state, seen.statuses[0].trouble), (State::Missing, Some(Trouble::TooSlow)));
    assert_eq!(servers[0].asked(), 1, "a question under way is not asked again");
}

#[tokio::test]
async fn many_lists_at_once_are_one_question() {
    let dir = tempfile::tempdir().unwrap();
    let live = Server::with_tools(&["a"]);
    let world = World::start(dir.path(), patient(vec![dynamic(target("live"))]), &[&live]);
    let lists = (0..50).map(|_| world.tools("alice"));
    for tools in futures_util::future::join_all(lists).await {
        assert_eq!(tools, ["live:live___a"]);
    }
    assert_eq!(live.asked(), 1);
}

#[tokio::test]
async fn a_call_before_any_list_finds_its_tool() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::scripted(finance), Server::with_tools(&["x"])];
    let targets = vec![dynamic(target("finance")), dynamic(target("other"))];
    let world = World::start(dir.path(), patient(targets), &servers.each_ref());
    let item = world.catalogue.find(&caller("alice"), Kind::Tool, "finance___approve").await.unwrap();
    assert_eq!(&*item.upstream, "approve");
    assert_eq!(servers[1].asked(), 0, "only the target the prefix fits is asked");
}

#[tokio::test]
async fn guessing_names_does_not_flood_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let live = Server::with_tools(&["a"]);
    let world = World::start(dir.path(), patient(vec![dynamic(bare("live"))]), &[&live]);
    for guess in 0..100 {
        assert!(world.catalogue.find(&caller("alice"), Kind::Tool, &format!("guess{guess}")).await.is_err());
    }
    assert_eq!(live.asked(), 1);
}

#[tokio::test]
async fn a_name_of_a_dynamic_target_is_not_taken_over_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let old = Server::with_tools(&["search"]);
    let world = World::start(dir.path(), patient(vec![dynamic(bare("old"))]), &[&old]);
    world.seen("alice").await;
    let stored = || store::Store::open(dir.path()).unwrap().load_catalogue("corp").unwrap();
    world.until(|_| stored().iter().any(|target| !target.names.is_empty())).await;
    drop(world);
    let new = Server::with_tools(&["search"]);
    let world = World::start(dir.path(), patient(vec![bare("new"), dynamic(bare("old"))]), &[&new, &old]);
    world.until(|world| !world.catalogue.reports().is_empty()).await;
    assert_eq!(world.tools("alice").await, ["old:search"]);
}

#[tokio::test]
async fn a_uri_is_looked_for_where_the_caller_has_not_looked_yet() {
    let dir = tempfile::tempdir().unwrap();
    let files = Server::scripted(|_, kind, _| {
        let listed = if kind == Kind::Resource { r#"[{"uri":"file:///a","name":"a"}]"# } else { "[]" };
        Answer::Result(format!(r#"{{"{}":{listed}}}"#, kind.result_key()))
    });
    files.declares(r#"{"resources":{}}"#);
    let world = World::start(dir.path(), patient(vec![dynamic(target("files"))]), &[&files]);
    assert!(world.catalogue.route(&caller("alice"), "file:///a").await.is_ok());
    assert!(world.catalogue.known(&caller("bob").principal).view.route_uri("file:///a").is_none());
}
