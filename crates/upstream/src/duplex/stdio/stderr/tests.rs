use super::*;

fn last() -> LastLine {
    LastLine::new(vec!["s3cr3t-value".to_owned()])
}

async fn logged(printed: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    capture(printed, last(), |line| lines.push(line.to_owned())).await;
    lines
}

#[tokio::test]
async fn lines_are_logged_one_by_one() {
    assert_eq!(logged(b"one\r\n\ntwo\nthree").await, ["one", "two", "three"]);
}

#[tokio::test]
async fn control_characters_and_bad_bytes_cannot_forge_a_line() {
    assert_eq!(logged(b"a\x1b[2Jb\rc\xff\td\n").await, ["a\\u{1b}[2Jb\\rc\u{fffd}\td"]);
}

#[tokio::test]
async fn secrets_we_gave_are_blanked() {
    assert_eq!(logged(b"using key s3cr3t-value now\n").await, ["using key *** now"]);
}

#[tokio::test]
async fn long_line_is_cut_and_the_next_one_is_whole() {
    let long = "x".repeat(LINE_MAX * 3 + 7);
    let lines = logged(format!("{long}\nnext\n").as_bytes()).await;
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_MAX, 4]);

    let exact = "x".repeat(LINE_MAX);
    let lines = logged(format!("{exact}\nnext\n").as_bytes()).await;
    assert_eq!(lines, [exact.as_str(), "next"]);
}

#[tokio::test(start_paused = true)]
async fn flood_is_counted_instead_of_logged() {
    let printed = "again\n".repeat(LINES_MAX as usize + 50);
    let lines = logged(printed.as_bytes()).await;
    assert_eq!(lines.len(), LINES_MAX as usize + 1);
    assert_eq!(lines.last().unwrap(), "(50 more lines were not logged)");
}

#[tokio::test]
async fn last_line_is_quoted_bounded_and_without_secrets() {
    let last = last();
    assert_eq!(last.quoted(), None);
    let long = "x".repeat(QUOTE_MAX);
    capture(format!("one\nbad key s3cr3t-value {long}\n\n").as_bytes(), last.clone(), |_| ()).await;
    let quoted = last.quoted().unwrap();
    let text = quoted.strip_prefix(LAST_LINE).unwrap();
    assert!(text.starts_with("bad key *** xxx"), "{text}");
    assert_eq!(text.chars().count(), QUOTE_MAX);
}
