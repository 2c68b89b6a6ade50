//! The persisted catalogue, through the public API.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::path::Path;

use mcp::Kind;
use portcullis_store::{Store, StoredItem, StoredName, StoredTarget};

fn open(dir: &Path) -> Store {
    Store::open(dir).unwrap()
}

fn item(kind: Kind, key: &str) -> StoredItem {
    StoredItem { kind, key: key.to_owned(), raw: format!(r#"{{"name":"{key}","n":1.50}}"#) }
}

fn name(exposed: &str, upstream: &str) -> StoredName {
    StoredName {
        kind: Kind::Tool,
        exposed: exposed.to_owned(),
        upstream: upstream.to_owned(),
        first_seen: 1000,
        last_seen: 2000,
    }
}

fn target(target: &str) -> StoredTarget {
    StoredTarget {
        target: target.to_owned(),
        fingerprint: "f1".to_owned(),
        captured_at: Some(1234),
        version: Some("2025-11-25".to_owned()),
        server_info: Some(r#"{"name":"s","version":"1"}"#.to_owned()),
        capabilities: Some(r#"{"tools":{}}"#.to_owned()),
        instructions: None,
        items: vec![
            item(Kind::Prompt, "p"),
            item(Kind::Resource, "file:///r"),
            item(Kind::Tool, "z"),
            item(Kind::Tool, "a"),
        ],
        names: vec![name(&format!("{target}___a"), "a"), name(&format!("{target}___z"), "z")],
    }
}

#[tokio::test]
async fn what_was_stored_is_loaded_unchanged_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.replace_target("corp", target("legal")).await.unwrap();
    store.replace_target("corp", target("finance")).await.unwrap();
    store.replace_target("other", target("legal")).await.unwrap();
    drop(store);
    assert_eq!(open(dir.path()).load_catalogue("corp").unwrap(), vec![target("finance"), target("legal")]);
}

#[tokio::test]
async fn a_new_capture_replaces_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.replace_target("corp", target("legal")).await.unwrap();
    let newer = StoredTarget {
        captured_at: Some(9999),
        items: vec![item(Kind::Template, "file:///{path}")],
        names: vec![],
        ..target("legal")
    };
    store.replace_target("corp", newer.clone()).await.unwrap();
    assert_eq!(store.load_catalogue("corp").unwrap(), vec![newer]);
}

#[tokio::test]
async fn a_name_stays_with_the_target_that_owns_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store
        .replace_target("corp", StoredTarget { names: vec![name("search", "search")], ..target("legal") })
        .await
        .unwrap();
    store
        .replace_target("corp", StoredTarget { names: vec![name("search", "x")], ..target("finance") })
        .await
        .unwrap();
    let loaded = store.load_catalogue("corp").unwrap();
    assert_eq!(loaded[0].names, vec![]);
    assert_eq!(loaded[1].names, vec![name("search", "search")]);
}

#[tokio::test]
async fn the_same_name_may_be_owned_in_two_gateways_and_for_two_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let names = vec![StoredName { kind: Kind::Prompt, ..name("search", "search") }, name("search", "search")];
    for gateway in ["corp", "other"] {
        store
            .replace_target(gateway, StoredTarget { names: names.clone(), ..target("legal") })
            .await
            .unwrap();
        assert_eq!(store.load_catalogue(gateway).unwrap()[0].names, names);
    }
}

#[tokio::test]
async fn names_alone_can_be_replaced_before_and_after_a_capture() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.replace_names("corp", "finance", "f1", vec![name("finance___pay", "pay")]).await.unwrap();
    let loaded = store.load_catalogue("corp").unwrap();
    assert_eq!(loaded[0].captured_at, None);
    assert_eq!(loaded[0].names, vec![name("finance___pay", "pay")]);

    store.replace_target("corp", target("finance")).await.unwrap();
    store.replace_names("corp", "finance", "f1", vec![name("finance___b", "b")]).await.unwrap();
    let expected = StoredTarget { names: vec![name("finance___b", "b")], ..target("finance") };
    assert_eq!(store.load_catalogue("corp").unwrap(), vec![expected]);
}

#[tokio::test]
async fn a_forgotten_target_frees_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store
        .replace_target("corp", StoredTarget { names: vec![name("search", "s")], ..target("legal") })
        .await
        .unwrap();
    store.forget_target("corp", "legal").await.unwrap();
    store.forget_target("corp", "never-seen").await.unwrap();
    assert_eq!(store.load_catalogue("corp").unwrap(), vec![]);
    store
        .replace_target("corp", StoredTarget { names: vec![name("search", "s")], ..target("finance") })
        .await
        .unwrap();
    assert_eq!(store.load_catalogue("corp").unwrap()[0].names, vec![name("search", "s")]);
}

#[tokio::test]
async fn many_writers_at_once_are_all_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let writes = (0..400).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.replace_target("corp", target(&format!("t{n:03}"))).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap().unwrap();
    }
    assert_eq!(store.load_catalogue("corp").unwrap().len(), 400);
}

#[tokio::test]
async fn a_reader_sees_a_capture_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.replace_target("corp", target("legal")).await.unwrap();
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..50 {
                store.replace_target("corp", target("legal")).await.unwrap();
            }
        }
    });
    while !writing.is_finished() {
        assert_eq!(store.load_catalogue("corp").unwrap(), vec![target("legal")]);
        tokio::task::yield_now().await;
    }
}
