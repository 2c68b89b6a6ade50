//! A server's pages, followed to their end however the server behaves.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use mcp::Kind;
use portcullis_catalogue::Reason;
use portcullis_catalogue::status::{State, Trouble};
use support::server::{Answer, Server, tools_page};
use support::world::{World, patient};
use support::{ITEMS_MAX, target};

/// What is offered of a server, once it was captured.
async fn captured(server: std::sync::Arc<Server>) -> (Vec<String>, World, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), patient(vec![target("t")]), &[&server]);
    let tools = world.tools("alice").await;
    (tools, world, dir)
}

fn page(names: &[&str], next: Option<&str>) -> Answer {
    let page = tools_page(names);
    Answer::Result(match next {
        Some(next) => format!(r#"{},"nextCursor":"{next}"}}"#, page.strip_suffix('}').unwrap()),
        None => page,
    })
}

#[tokio::test]
async fn all_pages_are_read() {
    let (tools, ..) = captured(Server::scripted(|_, _, cursor| match cursor {
        None => page(&["a", "b"], Some("2")),
        Some("2") => page(&[], Some("3")),
        Some("3") => page(&["c"], None),
        other => panic!("{other:?}"),
    }))
    .await;
    assert_eq!(tools, ["t:t___a", "t:t___b", "t:t___c"]);
}

#[tokio::test]
async fn an_empty_cursor_is_a_cursor() {
    let (tools, ..) = captured(Server::scripted(|_, _, cursor| match cursor {
        None => page(&["a"], Some("")),
        Some("") => page(&["b"], None),
        other => panic!("{other:?}"),
    }))
    .await;
    assert_eq!(tools, ["t:t___a", "t:t___b"]);
}

#[tokio::test]
async fn a_server_that_starts_again_after_its_last_page_is_stopped() {
    let server = Server::scripted(|_, _, _| page(&["a"], Some("")));
    let (tools, world, _dir) = captured(server.clone()).await;
    assert_eq!(tools, ["t:t___a"]);
    assert_eq!(server.asked(), 2);
    assert_eq!(world.catalogue.reports(), []);
}

#[tokio::test]
async fn a_cursor_that_comes_back_ends_the_list() {
    let server = Server::scripted(|_, _, cursor| match cursor {
        None => page(&["a"], Some("x")),
        Some("x") => page(&["b"], Some("y")),
        Some(_) => page(&["c"], Some("x")),
    });
    let (tools, ..) = captured(server.clone()).await;
    assert_eq!(tools, ["t:t___a", "t:t___b", "t:t___c"]);
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn a_list_without_end_is_cut() {
    let server = Server::scripted(|_, _, cursor| {
        let number: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let names: Vec<String> = (0..10).map(|n| format!("t{number}_{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        page(&names, Some(&(number + 1).to_string()))
    });
    let (tools, world, _dir) = captured(server).await;
    assert_eq!(tools.len(), ITEMS_MAX);
    assert!(matches!(world.catalogue.reports()[0].reason, Reason::TooMany { limit: ITEMS_MAX, .. }));
}

/// A page of one entry of so many MiB.
fn heavy(key: &str, entry: &str, mib: usize, next: &str) -> Answer {
    let padding = "x".repeat(mib * 1024 * 1024);
    Answer::Result(format!(
        r#"{{"{key}":[{{"name":"{entry}","description":"{padding}"}}],"nextCursor":"{next}"}}"#
    ))
}

#[tokio::test]
async fn large_pages_without_end_are_cut_by_their_bytes() {
    let server = Server::scripted(|_, _, cursor| {
        let number: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        heavy("tools", &format!("t{number}"), 24, &(number + 1).to_string())
    });
    let (tools, world, _dir) = captured(server.clone()).await;
    assert_eq!(tools, ["t:t___t0", "t:t___t1"]);
    assert_eq!(server.asked(), 3);
    assert!(matches!(world.catalogue.reports()[0].reason, Reason::TooLarge { .. }));
}

#[tokio::test]
async fn the_lists_of_one_server_share_their_bytes() {
    let server = Server::scripted(|_, kind, cursor| match (kind, cursor) {
        (Kind::Tool, None) => heavy("tools", "a", 40, "2"),
        (Kind::Tool, _) => page(&["b"], None),
        _ => heavy("prompts", "p", 40, "2"),
    });
    server.declares(r#"{"tools":{},"prompts":{}}"#);
    let (tools, world, _dir) = captured(server.clone()).await;
    assert_eq!(tools, ["t:t___a", "t:t___b"]);
    let reports = world.catalogue.reports();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].kind, Kind::Prompt);
    assert!(matches!(reports[0].reason, Reason::TooLarge { .. }));
}

#[tokio::test]
async fn what_is_kept_of_a_page_does_not_hold_the_whole_page() {
    let server = Server::scripted(|_, _, _| {
        let padding = " ".repeat(1024 * 1024);
        Answer::Result(format!(r#"{{"tools":[{{"name":"a"}},{padding}{{"name":"b"}}]}}"#))
    });
    let (_, world, _dir) = captured(server).await;
    let view = world.seen("alice").await.view;
    let at: Vec<usize> =
        view.items(Kind::Tool).iter().map(|item| item.original.as_bytes().as_ptr() as usize).collect();
    assert_ne!(at[0].abs_diff(at[1]), r#"{"name":"a"},"#.len() + 1024 * 1024);
}

#[tokio::test]
async fn empty_pages_without_end_are_cut() {
    let server = Server::scripted(|_, _, cursor| {
        let number: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        Answer::Result(format!(r#"{{"tools":[],"n":{number},"nextCursor":"{}"}}"#, number + 1))
    });
    let (tools, ..) = captured(server).await;
    assert_eq!(tools.len(), 0);
}

#[tokio::test]
async fn lists_the_server_has_no_capability_for_are_not_asked() {
    let server = Server::scripted(|_, kind, _| {
        assert_eq!(kind, Kind::Tool);
        page(&["a"], None)
    });
    assert_eq!(captured(server).await.0, ["t:t___a"]);
}

#[tokio::test]
async fn a_method_the_server_does_not_know_is_an_empty_list() {
    let server = Server::scripted(|_, kind, _| match kind {
        Kind::Resource => Answer::Result(r#"{"resources":[{"uri":"file:///a","name":"a"}]}"#.to_owned()),
        _ => Answer::Error(-32601),
    });
    server.declares(r#"{"resources":{}}"#);
    let (_, world, _dir) = captured(server).await;
    let seen = world.seen("alice").await;
    assert_eq!(seen.view.items(Kind::Resource).len(), 2);
    assert_eq!(seen.statuses[0].state, State::Fresh);
}

#[tokio::test]
async fn one_broken_list_does_not_cost_the_others() {
    let server = Server::scripted(|_, kind, _| match kind {
        Kind::Prompt => Answer::Error(-32603),
        _ => page(&["a"], None),
    });
    server.declares(r#"{"tools":{},"prompts":{}}"#);
    let (tools, world, _dir) = captured(server).await;
    assert_eq!(tools, ["t:t___a"]);
    let status = &world.seen("alice").await.statuses[0];
    assert_eq!((status.state, status.trouble), (State::Stale, Some(Trouble::BrokeProtocol)));
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_trouble_and_not_an_empty_list() {
    for result in ["{}", "[]", r#"{"tools":{}}"#, r#"{"tools":null}"#, "7"] {
        let server = Server::scripted(move |_, _, _| Answer::Result(result.to_owned()));
        let (_, world, _dir) = captured(server).await;
        let status = &world.seen("alice").await.statuses[0];
        assert_eq!(
            (status.state, status.trouble),
            (State::Missing, Some(Trouble::BrokeProtocol)),
            "{result}"
        );
    }
}
