//! Default listings: captured, persisted, served with the target off, refreshed.

mod support;

use std::time::Duration;

use config::Target;
use mcp::Kind;
use portcullis_catalogue::status::{State, Trouble};
use portcullis_catalogue::{Missed, Reason, Route};
use support::server::{Answer, Server, tools_page};
use support::world::{World, caller, hasty, patient};
use support::{bare, names, target};

fn states(seen: &portcullis_catalogue::Seen) -> Vec<(&str, State)> {
    seen.statuses.iter().map(|status| (&*status.target, status.state)).collect()
}

#[tokio::test]
async fn the_first_list_waits_for_the_first_capture() {
    let dir = tempfile::tempdir().unwrap();
    let (legal, files) = (Server::with_tools(&["review"]), Server::with_tools(&["read"]));
    let world = World::start(dir.path(), patient(vec![target("legal"), target("files")]), &[&legal, &files]);
    let seen = world.seen("alice").await;
    assert_eq!(names(&seen.view, Kind::Tool), ["legal:legal___review", "files:files___read"]);
    assert_eq!(states(&seen), [("legal", State::Fresh), ("files", State::Fresh)]);
    assert!(!seen.ttl.is_zero());
}

#[tokio::test]
async fn what_was_captured_is_served_after_a_restart_with_the_target_off() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    drop(world);

    let off = Server::down();
    let world = World::idle(dir.path(), patient(vec![target("legal")]), &[&off]);
    let seen = world.seen("alice").await;
    assert_eq!(names(&seen.view, Kind::Tool), ["legal:legal___review"]);
    let facts = seen.view.servers()[0].facts.clone().unwrap();
    assert_eq!(facts.instructions.as_deref(), Some("Use with care."));
    assert_eq!(facts.capabilities.as_str(), r#"{"tools":{}}"#);
    assert_eq!(off.asked(), 0);
}

#[tokio::test]
async fn a_target_that_went_away_stays_listed_and_is_called_stale() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    legal.becomes(|_, _, _| Answer::Down);
    world.clock.advance(Duration::from_secs(60));
    world.catalogue.resync("legal");
    world
        .until(|world| world.catalogue.known(&caller("alice").principal).statuses[0].state == State::Stale)
        .await;
    let seen = world.seen("alice").await;
    assert_eq!(names(&seen.view, Kind::Tool), ["legal:legal___review"]);
    assert_eq!(seen.statuses[0].trouble, Some(Trouble::Unreachable));
    assert_eq!(seen.statuses[0].since, 1_000_060);
    assert!(seen.ttl.is_zero());
}

#[tokio::test]
async fn a_server_that_died_is_called_stale_when_calls_fail_and_fresh_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    let status = |world: &World| world.catalogue.known(&caller("alice").principal).statuses[0].clone();
    legal.becomes(|_, _, _| Answer::Down);
    world.clock.advance(Duration::from_secs(30));
    world.catalogue.resync("legal");
    world.until(|world| status(world).state == State::Stale).await;
    world.clock.advance(Duration::from_secs(30));
    world.catalogue.resync("legal");
    let asked = legal.asked();
    world.until(|_| legal.asked() > asked).await;
    assert_eq!(status(&world).since, 1_000_030);
    legal.becomes(|_, _, _| Answer::Result(tools_page(&["review"])));
    world.catalogue.resync("legal");
    world.until(|world| status(world).state == State::Fresh).await;
    assert_eq!(status(&world).since, 1_000_060);
    assert_eq!(status(&world).trouble, None);
}

#[tokio::test(start_paused = true)]
async fn failing_calls_do_not_flood_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    let asked = legal.asked();
    for _ in 0..10_000 {
        world.catalogue.resync("legal");
        tokio::time::advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    let asked = legal.asked() - asked;
    assert!((2..=6).contains(&asked), "{asked} times in ten seconds");
}

#[tokio::test]
async fn another_url_under_the_same_name_does_not_inherit_the_lists() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    drop(world);

    let transport =
        config::Transport::Http { url: "http://127.0.0.1:2/mcp".parse().unwrap(), era: config::Era::Auto };
    let moved = Target { transport, ..target("legal") };
    let world = World::idle(dir.path(), hasty(vec![moved]), &[&Server::down()]);
    assert!(world.catalogue.known(&caller("alice").principal).view.items(Kind::Tool).is_empty());
}

#[tokio::test]
async fn a_dead_or_slow_target_does_not_cost_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::hanging(), Server::with_tools(&["read"]), Server::down()];
    let targets = vec![target("slow"), target("files"), target("dead")];
    let world = World::start(dir.path(), hasty(targets), &servers.each_ref());
    world.until_tools("alice", &["files:files___read"]).await;
    let seen = world.seen("alice").await;
    assert_eq!(states(&seen), [("slow", State::Missing), ("files", State::Fresh), ("dead", State::Missing)]);
    assert_eq!(seen.statuses[0].trouble, Some(Trouble::NotAskedYet));
    assert_eq!(seen.statuses[2].trouble, Some(Trouble::Unreachable));
}

#[tokio::test]
async fn a_change_notice_brings_the_new_list() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    let before = world.seen("alice").await.view.generation();
    legal.becomes(|_, _, _| Answer::Result(tools_page(&["review", "sign"])));
    legal.announce(Kind::Tool).await;
    world.until_tools("alice", &["legal:legal___review", "legal:legal___sign"]).await;
    assert!(world.seen("alice").await.view.generation() > before);
}

#[tokio::test]
async fn a_capture_that_brings_nothing_new_keeps_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    let before = world.seen("alice").await.view.generation();
    world.clock.advance(Duration::from_secs(7));
    world.catalogue.resync("legal");
    world
        .until(|world| world.catalogue.known(&caller("alice").principal).statuses[0].since == 1_000_007)
        .await;
    assert_eq!(world.seen("alice").await.view.generation(), before);
}

#[tokio::test]
async fn a_call_for_a_target_that_was_off_at_the_start_finds_its_tool_once_it_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::down();
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    assert_eq!(world.tools("alice").await, Vec::<String>::new());
    legal.becomes(|_, _, _| Answer::Result(tools_page(&["review"])));
    world.until_tools("alice", &["legal:legal___review"]).await;
    let item = world.catalogue.find(&caller("alice"), Kind::Tool, "legal___review").await.unwrap();
    assert_eq!(&*item.upstream, "review");
}

#[tokio::test]
async fn an_unknown_name_is_unknown_and_one_of_a_silent_target_is_silent() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::with_tools(&["review"]), Server::down()];
    let world = World::start(dir.path(), hasty(vec![target("legal"), target("files")]), &servers.each_ref());
    world.until_tools("alice", &["legal:legal___review"]).await;
    let missed =
        async |name: &str| world.catalogue.find(&caller("alice"), Kind::Tool, name).await.unwrap_err();
    assert_eq!(missed("legal___sign").await, Missed::Unknown);
    assert_eq!(missed("nobody").await, Missed::Unknown);
    assert_eq!(missed("files___read").await, Missed::Silent("files".into()));
}

#[tokio::test]
async fn guessing_names_does_not_flood_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let legal = Server::with_tools(&["review"]);
    let world = World::start(dir.path(), patient(vec![target("legal")]), &[&legal]);
    world.until_tools("alice", &["legal:legal___review"]).await;
    let asked = legal.asked();
    for guess in 0..100 {
        let name = format!("legal___guess{guess}");
        assert!(world.catalogue.find(&caller("alice"), Kind::Tool, &name).await.is_err());
    }
    assert!(legal.asked() <= asked + 1);
}

#[tokio::test]
async fn on_a_first_start_names_go_by_the_order_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::with_tools(&["search"]), Server::with_tools(&["search"])];
    let world = World::start(dir.path(), patient(vec![bare("b"), bare("a")]), &servers.each_ref());
    world.until_tools("alice", &["b:search"]).await;
    world.until(|world| world.catalogue.reports().len() == 1).await;
    assert_eq!(world.catalogue.reports()[0].reason, Reason::NameTaken { by: "b".into() });
}

#[tokio::test]
async fn an_owner_keeps_its_name_over_a_restart_with_another_order() {
    let dir = tempfile::tempdir().unwrap();
    let old = Server::with_tools(&["search"]);
    let world = World::start(dir.path(), patient(vec![bare("old")]), &[&old]);
    world.until_tools("alice", &["old:search"]).await;
    drop(world);
    let new = Server::with_tools(&["search"]);
    let world = World::start(dir.path(), patient(vec![bare("new"), bare("old")]), &[&new, &old]);
    world.until(|world| !world.catalogue.reports().is_empty()).await;
    assert_eq!(world.tools("alice").await, ["old:search"]);
}

#[tokio::test]
async fn a_target_gone_from_the_configuration_frees_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [Server::with_tools(&["search"])];
    let world = World::start(dir.path(), patient(vec![bare("old")]), &servers.each_ref());
    world.until_tools("alice", &["old:search"]).await;
    drop(world);
    let world = World::start(dir.path(), patient(vec![bare("new")]), &servers.each_ref());
    world.until_tools("alice", &["new:search"]).await;
    drop(world);
    let world = World::idle(dir.path(), patient(vec![bare("old"), bare("new")]), &[&servers[0], &servers[0]]);
    assert_eq!(names(&world.catalogue.known(&caller("alice").principal).view, Kind::Tool), ["new:search"]);
}

#[tokio::test]
async fn a_uri_in_no_list_is_routed_by_template_and_else_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let files = Server::scripted(|_, kind, _| {
        Answer::Result(match kind {
            Kind::Resource => r#"{"resources":[{"uri":"file:///a","name":"a"}]}"#.to_owned(),
            Kind::Template => {
                r#"{"resourceTemplates":[{"uriTemplate":"file:///{name}","name":"t"}]}"#.to_owned()
            }
            _ => "{}".to_owned(),
        })
    });
    files.declares(r#"{"resources":{}}"#);
    let world = World::start(dir.path(), patient(vec![target("files")]), &[&files]);
    world.seen("alice").await;
    let alice = caller("alice");
    assert!(matches!(world.catalogue.route(&alice, "file:///a").await, Ok(Route::Listed(_))));
    assert!(matches!(world.catalogue.route(&alice, "file:///b").await, Ok(Route::Template(_))));
    assert_eq!(world.catalogue.route(&alice, "http://x/").await.unwrap_err(), Missed::Unknown);
    assert!(matches!(world.catalogue.route(&alice, "portcullis://status").await, Ok(Route::Listed(_))));
}
