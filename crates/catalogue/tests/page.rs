//! Pages and cursors.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use std::sync::Arc;

use identity::{Principal, PrincipalKey, Verified};
use mcp::{Kind, Object, Raw};
use portcullis_catalogue::{Error, Pager, View};
use seal::{Keyring, Sealer};
use support::{gateway, resources, target, tools, view};

fn sealer() -> (tempfile::TempDir, Sealer) {
    let dir = tempfile::tempdir().unwrap();
    let sealer = Sealer::new(Keyring::open(dir.path()).unwrap());
    (dir, sealer)
}

fn key(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

fn seven() -> Arc<View> {
    let gateway = gateway(vec![target("t")]);
    view(&gateway, &[tools(&["a", "b", "c", "d", "e", "f", "g"])])
}

/// The names on a page, and the cursor it gives.
fn read(pager: &Pager, view: &View, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let page = pager.page(view, Kind::Tool, key("alice"), cursor).unwrap();
    let result = Object::of(&page.result(&[]).into_raw()).unwrap();
    let items = mcp::object::elements(&result.get("tools").unwrap());
    let names = items.iter().map(|item| Object::of(item).unwrap().string("name").unwrap()).collect();
    let next = result.string("nextCursor");
    assert_eq!(next.as_deref(), page.next_cursor());
    (names, next)
}

#[test]
fn the_pages_give_every_item_once_in_order() {
    let (_dir, sealer) = sealer();
    let view = seven();
    for size in [1, 2, 3, 6, 7, 8, 1000] {
        let pager = Pager::new(sealer.clone(), "corp", size);
        let (mut all, mut cursor) = read(&pager, &view, None);
        while let Some(at) = cursor {
            let (names, next) = read(&pager, &view, Some(&at));
            assert!(!names.is_empty() && names.len() <= size);
            all.extend(names);
            cursor = next;
        }
        assert_eq!(all, ["t___a", "t___b", "t___c", "t___d", "t___e", "t___f", "t___g"], "size {size}");
    }
}

#[test]
fn the_last_page_has_no_cursor_even_when_full() {
    let (_dir, sealer) = sealer();
    assert_eq!(read(&Pager::new(sealer, "corp", 7), &seven(), None).1, None);
}

#[test]
fn the_result_holds_the_items_as_they_are_and_what_is_added() {
    let (_dir, sealer) = sealer();
    let gateway = gateway(vec![target("t")]);
    let view = view(&gateway, &[tools(&["a"])]);
    let page = Pager::new(sealer, "corp", 10).page(&view, Kind::Tool, key("alice"), None).unwrap();
    let more = [("ttlMs", Raw::number(7)), ("cacheScope", Raw::string("private"))];
    assert_eq!(
        page.result(&more).into_raw().as_str(),
        r#"{"tools":[{"name":"t___a","inputSchema":{"type":"object"}}],"ttlMs":7,"cacheScope":"private"}"#
    );
}

#[test]
fn the_first_page_is_rendered_once() {
    let (_dir, sealer) = sealer();
    let (view, pager) = (seven(), Pager::new(sealer, "corp", 10));
    let items = |principal: &str| {
        let page = pager.page(&view, Kind::Tool, key(principal), None).unwrap();
        page.result(&[]).pieces()[1].as_ptr()
    };
    assert_eq!(items("alice"), items("bob"));
}

#[test]
fn a_filtered_view_has_pages_of_its_own() {
    let (_dir, sealer) = sealer();
    let (view, pager) = (seven(), Pager::new(sealer, "corp", 2));
    assert_eq!(read(&pager, &view, None).0, ["t___a", "t___b"]);
    let seen = view.filter(|item| &*item.upstream != "a");
    let (names, cursor) = read(&pager, &seen, None);
    assert_eq!(names, ["t___b", "t___c"]);
    assert_eq!(read(&pager, &seen, cursor.as_deref()).0, ["t___d", "t___e"]);
}

#[test]
fn an_empty_list_is_a_page() {
    let (_dir, sealer) = sealer();
    let page = Pager::new(sealer, "corp", 10).page(&seven(), Kind::Prompt, key("alice"), None).unwrap();
    assert_eq!(page.result(&[]).into_raw().as_str(), r#"{"prompts":[]}"#);
}

#[test]
fn a_cursor_is_of_no_use_to_anyone_else_or_for_anything_else() {
    let (_dir, sealer) = sealer();
    let view = seven();
    let pager = Pager::new(sealer.clone(), "corp", 2);
    let cursor = read(&pager, &view, None).1.unwrap();
    let refused = |pager: &Pager, kind, principal: &str, cursor: &str| {
        matches!(pager.page(&view, kind, key(principal), Some(cursor)), Err(Error::BadCursor))
    };
    assert!(refused(&pager, Kind::Tool, "bob", &cursor));
    assert!(refused(&pager, Kind::Prompt, "alice", &cursor));
    assert!(refused(&Pager::new(sealer, "other", 2), Kind::Tool, "alice", &cursor));
    assert!(!refused(&pager, Kind::Tool, "alice", &cursor));
}

#[test]
fn a_cursor_we_did_not_make_is_refused() {
    let (_dir, sealer) = sealer();
    let view = seven();
    let pager = Pager::new(sealer, "corp", 2);
    let good = read(&pager, &view, None).1.unwrap();
    let flipped = good.replacen(|letter: char| letter.is_ascii_lowercase(), "0", 1);
    for bad in ["", "0", "2", "not a cursor", &flipped, &good[..good.len() - 1], &"A".repeat(100_000)] {
        let answer = pager.page(&view, Kind::Tool, key("alice"), Some(bad));
        assert!(matches!(answer, Err(Error::BadCursor)), "{bad:.20}");
    }
}

#[test]
fn a_cursor_continues_after_its_item_when_the_list_has_changed() {
    let (_dir, sealer) = sealer();
    let gateway = gateway(vec![target("t")]);
    let pager = Pager::new(sealer, "corp", 2);
    let cursor = read(&pager, &seven(), None).1.unwrap();
    let grown = view(&gateway, &[tools(&["new", "a", "b", "c"])]);
    assert_eq!(read(&pager, &grown, Some(&cursor)).0, ["t___c"]);
    let item_gone = view(&gateway, &[tools(&["a", "c", "d"])]);
    assert_eq!(read(&pager, &item_gone, Some(&cursor)).0, ["t___c", "t___d"]);
    let nothing_left = view(&gateway, &[tools(&[])]);
    assert_eq!(read(&pager, &nothing_left, Some(&cursor)), (vec![], None));
}

#[test]
fn a_cursor_is_small_however_long_the_name_it_continues_after() {
    let (_dir, sealer) = sealer();
    let gateway = gateway(vec![target("t")]);
    let long = format!("file:///{}", "a".repeat(8 * 1024 - 8));
    let view = view(&gateway, &[resources(&[&long, "file:///b", "file:///c"])]);
    let pager = Pager::new(sealer, "corp", 1);
    let page = |cursor: Option<&str>| pager.page(&view, Kind::Resource, key("alice"), cursor).unwrap();
    let first = page(None);
    let second = page(first.next_cursor());
    assert!(second.result(&[]).into_raw().as_str().contains("file:///b"));
    assert_eq!(first.next_cursor().unwrap().len(), second.next_cursor().unwrap().len());
    assert!(first.next_cursor().unwrap().len() < 256);
}

#[test]
fn a_cursor_does_not_show_what_it_holds() {
    let (_dir, sealer) = sealer();
    let pager = Pager::new(sealer, "corp", 1);
    let cursors: Vec<_> = (0..2).map(|_| read(&pager, &seven(), None).1.unwrap()).collect();
    assert_ne!(cursors[0], cursors[1]);
}

#[test]
fn the_status_resource_is_on_the_last_page() {
    let (_dir, sealer) = sealer();
    let gateway = gateway(vec![target("t")]);
    let view = view(&gateway, &[resources(&["file:///a"])]);
    let page = Pager::new(sealer, "corp", 10).page(&view, Kind::Resource, key("alice"), None).unwrap();
    let text = page.result(&[]).into_raw();
    assert!(text.as_str().contains("portcullis://status"));
}
