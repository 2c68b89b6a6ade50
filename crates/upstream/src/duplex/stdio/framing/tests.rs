use super::*;

async fn lines(text: &[u8], line_max: usize) -> Result<Vec<String>, LineError> {
    let mut lines = Lines::new(text, line_max);
    let mut found = Vec::new();
    while let Some(line) = lines.next().await? {
        found.push(String::from_utf8(line.to_vec()).unwrap());
    }
    Ok(found)
}

#[tokio::test]
async fn blank_lines_are_no_lines_and_the_last_one_needs_no_end() {
    assert_eq!(lines(b"a\n\n \r\nb\r\nc", 8).await.unwrap(), ["a", "b\r", "c"]);
    assert_eq!(lines(b"", 8).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn line_of_exactly_the_bound_passes_and_one_more_does_not() {
    assert_eq!(lines(b"12345678\nx\n", 8).await.unwrap(), ["12345678", "x"]);
    assert!(matches!(lines(b"123456789\n", 8).await, Err(LineError::TooLong(8))));
    assert!(matches!(lines(b"123456789", 8).await, Err(LineError::TooLong(8))));
}

#[tokio::test]
async fn endless_line_is_found_without_reading_it_all() {
    let mut lines = Lines::new(tokio::io::repeat(b'x'), 100_000);
    assert!(matches!(lines.next().await, Err(LineError::TooLong(100_000))));
    assert!(lines.buffer.len() <= 100_000 + 2 * READ_MAX);
}

#[tokio::test]
async fn long_line_gives_its_memory_back() {
    let mut text = vec![b'x'; KEEP_MAX * 4];
    text.extend_from_slice(b"\nshort\n");
    let mut lines = Lines::new(&text[..], KEEP_MAX * 8);
    drop(lines.next().await.unwrap());
    assert_eq!(lines.next().await.unwrap().unwrap(), "short");
    assert!(lines.buffer.capacity() <= READ_MAX * 2);
}

#[tokio::test]
async fn message_is_written_as_one_line() {
    let mut message = Payload::default();
    message.push(&b"{\n  \"a\":\r\n"[..]);
    message.push(&b" \"b\\n\"\n}"[..]);
    let mut written = Vec::new();
    assert_eq!(write_line(&mut written, message, Duration::from_secs(1)).await, Written::Whole);
    assert_eq!(String::from_utf8(written).unwrap(), "{   \"a\":   \"b\\n\" }\n");
}

#[tokio::test]
async fn closed_pipe_took_nothing() {
    let (mut ours, theirs) = tokio::io::duplex(8);
    drop(theirs);
    let message = Payload::from(Bytes::from_static(b"{}"));
    assert_eq!(write_line(&mut ours, message, Duration::from_secs(1)).await, Written::Nothing);
}

#[tokio::test(start_paused = true)]
async fn reader_that_takes_nothing_more_counts_as_gone() {
    let (mut ours, _theirs) = tokio::io::duplex(8);
    let message = Payload::from(Bytes::from_static(b"{\"longer\":\"than the pipe\"}"));
    assert_eq!(write_line(&mut ours, message, Duration::from_secs(60)).await, Written::Part);
}
