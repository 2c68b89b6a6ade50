use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const MAX: usize = 1 << 20;

/// Decodes `stream`, cut after each of `cuts` bytes in turn.
fn decode_cut(stream: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut decoder = Decoder::new(MAX);
    let mut events = Vec::new();
    let mut rest = Bytes::copy_from_slice(stream);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let size = cuts.next().map_or(rest.len(), |&cut| cut.clamp(1, rest.len()));
        decoder.feed(rest.split_to(size));
        while let Some(event) = decoder.next_event().unwrap() {
            events.push(event);
        }
    }
    events
}

/// The events of `stream`, which must not depend on how it is cut.
#[track_caller]
fn decode(stream: impl AsRef<[u8]>) -> Vec<Event> {
    let whole = decode_cut(stream.as_ref(), &[]);
    for cut in 1..=4 {
        assert_eq!(decode_cut(stream.as_ref(), &[cut]), whole, "cut every {cut} bytes");
    }
    whole
}

fn data(text: &'static str) -> Event {
    Event { data: Bytes::from_static(text.as_bytes()), ..Event::default() }
}

#[track_caller]
fn check(stream: &str, expected: &[&'static str]) {
    let expected: Vec<_> = expected.iter().map(|text| data(text)).collect();
    assert_eq!(decode(stream), expected, "{stream:?}");
}

#[test]
fn joins_data_lines_by_line_feed() {
    check("data: a\ndata: b\ndata: c\n\n", &["a\nb\nc"]);
    check("data: a\ndata\ndata: b\n\n", &["a\n\nb"]);
    check("data:\ndata:\n\n", &["\n"]);
}

#[test]
fn takes_every_line_end() {
    check("data: a\n\ndata: b\n\n", &["a", "b"]);
    check("data: a\r\rdata: b\r\r", &["a", "b"]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
    check("data: a\ndata: b\r\ndata: c\rdata: d\r\n\r", &["a\nb\nc\nd"]);
}

#[test]
fn dispatches_at_a_carriage_return_without_waiting_for_the_line_feed() {
    let mut decoder = Decoder::new(MAX);
    decoder.feed(Bytes::from_static(b"data: a\r\n\r"));
    assert_eq!(decoder.next_event(), Ok(Some(data("a"))));
    decoder.feed(Bytes::from_static(b"\ndata: b\n\n"));
    assert_eq!(decoder.next_event(), Ok(Some(data("b"))));
}

#[test]
fn removes_one_space_after_the_colon() {
    check("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\n", &["a", "a", " a", "\ta"]);
}

#[test]
fn skips_a_byte_order_mark_only_at_the_start() {
    check("\u{feff}data: a\n\n", &["a"]);
    check("\u{feff}\u{feff}data: a\n\ndata: b\n\n", &["b"]);
    check("data: a\n\n\u{feff}data: b\n\n", &["a"]);
    check("\u{feff}\ndata: a\n\n", &["a"]);
}

#[test]
fn ignores_comments_and_unknown_fields() {
    check(":\n\n: keep-alive\n\ndata: a\n:x\nfoo: bar\nDATA: b\n data: c\ndata : d\n\n", &["a"]);
    check(":data: a\n\n", &[]);
}

#[test]
fn reads_a_line_without_colon_as_a_field_without_value() {
    check("data\n\n", &[""]);
    check("foo\n\n", &[]);
}

#[test]
fn keeps_colons_in_values() {
    check("data: {\"a\": \"b:c\"}\n\ndata::x\n\n", &["{\"a\": \"b:c\"}", ":x"]);
}

#[test]
fn an_event_name_alone_is_no_event() {
    check("event: ping\n\ndata: a\n\n", &["a"]);
}

#[test]
fn reads_the_event_name() {
    let named = |name: &str, text| Event { event: Some(name.into()), ..data(text) };
    assert_eq!(decode("event: endpoint\ndata: /m\n\ndata: a\n\n"), [named("endpoint", "/m"), data("a")]);
    assert_eq!(decode("event: x\nevent\ndata: a\n\n"), [data("a")], "an empty name is the default one");
    assert_eq!(decode("event: message\ndata: a\n\n"), [data("a")], "the default one may be written");
    assert_eq!(decode("data: a\nevent: x\nevent: y\n\n"), [named("y", "a")]);
}

#[test]
fn reads_ids() {
    let with = |id: &str, text| Event { id: Some(id.into()), ..data(text) };
    assert_eq!(decode("id: 1\ndata: a\n\ndata: b\n\n"), [with("1", "a"), data("b")]);
    assert_eq!(decode("id\ndata: a\n\n"), [with("", "a")]);
    assert_eq!(decode("id: 1\nid: 2\ndata: a\n\n"), [with("2", "a")]);
    assert_eq!(decode("id: 1\0\ndata: a\n\n"), [data("a")], "an id with NUL is ignored");
    assert_eq!(decode("id: …\ndata: a\n\n"), [with("…", "a")]);
}

#[test]
fn gives_out_priming_events() {
    let primed = Event { id: Some("s1".into()), retry: Some(500), ..Event::default() };
    assert_eq!(decode("id: s1\nretry: 500\ndata:\n\n"), std::slice::from_ref(&primed));
    assert_eq!(decode("id: s1\nretry: 500\n\n"), std::slice::from_ref(&primed));
    assert_eq!(decode(encode_priming("s1", Some(500))), [primed]);
    assert_eq!(decode("retry: 7\n\n"), [Event { retry: Some(7), ..Event::default() }]);
}

#[test]
fn takes_digits_only_for_retry() {
    let retries = |stream: &str| decode(stream).iter().map(|event| event.retry).collect::<Vec<_>>();
    assert_eq!(retries("retry: 3000\ndata: a\n\n"), [Some(3000)]);
    for bogus in ["3000x", "-1", "+1", "1.5", "", "99999999999999999999999"] {
        assert_eq!(retries(&format!("retry: {bogus}\ndata: a\n\n")), [None], "{bogus}");
    }
}

#[test]
fn replaces_invalid_utf8_in_names_and_keeps_it_in_data() {
    let events = decode(b"id: \xff\ndata: \xff\n\n");
    assert_eq!(events[0].id.as_deref(), Some("\u{fffd}"));
    assert_eq!(events[0].data, b"\xff"[..]);
}

#[test]
fn discards_an_unfinished_event() {
    for (stream, discarded) in
        [("data: a\n\n", 0), ("data: a\n", 7), ("data: a", 7), ("data: a\n\ndata", 4), ("", 0)]
    {
        let mut decoder = Decoder::new(MAX);
        decoder.feed(Bytes::from_static(stream.as_bytes()));
        while decoder.next_event().unwrap().is_some() {}
        assert_eq!(decoder.finish(), discarded, "{stream:?}");
    }
}

#[test]
fn shares_the_chunk_for_a_single_data_line() {
    let chunk = Bytes::from_static(b"event: message\r\ndata: {\"jsonrpc\":\"2.0\"}\r\n\r\n");
    let mut decoder = Decoder::new(MAX);
    decoder.feed(chunk.clone());
    let event = decoder.next_event().unwrap().unwrap();
    assert_eq!(event.data.as_ptr(), chunk[22..].as_ptr());
}

#[test]
fn takes_several_chunks_before_events_are_asked_for() {
    let mut decoder = Decoder::new(MAX);
    for chunk in ["da", "", "ta: a\r", "\n\r\nda", "ta: b\n\n"] {
        decoder.feed(Bytes::from_static(chunk.as_bytes()));
    }
    assert_eq!(decoder.next_event(), Ok(Some(data("a"))));
    assert_eq!(decoder.next_event(), Ok(Some(data("b"))));
    assert_eq!(decoder.next_event(), Ok(None));
}

#[test]
fn refuses_an_event_above_the_bound_and_stays_refusing() {
    let too_large = Err(SseError::EventTooLarge { max: 16 });
    let one_line = "data: 0123456789A";
    let two_lines = "data: 0\ndata: 012";
    let comment = ": 0123456789ABCDE";
    for stream in [one_line, two_lines, comment] {
        for size in [1, 5, stream.len()] {
            let mut decoder = Decoder::new(16);
            stream.as_bytes().chunks(size).for_each(|chunk| decoder.feed(Bytes::copy_from_slice(chunk)));
            decoder.feed(Bytes::from_static(b"3456789A\n\n"));
            assert_eq!(decoder.next_event(), too_large, "{stream:?} by {size}");
            decoder.feed(Bytes::from_static(b"data: a\n\n"));
            assert_eq!(decoder.next_event(), too_large, "{stream:?} by {size}");
        }
    }
}

#[test]
fn the_bound_is_per_event() {
    let mut decoder = Decoder::new(16);
    decoder.feed(Bytes::from("data: 0123456789\n\n: 34567890123456\nother: 789\n".repeat(50)));
    decoder.feed(Bytes::from_static(b"\n"));
    let mut events = 0;
    while decoder.next_event().unwrap().is_some() {
        events += 1;
    }
    assert_eq!(events, 50);
}

#[test]
fn buffers_no_more_than_the_bound_of_a_line_without_end() {
    let mut decoder = Decoder::new(40_000);
    let mut fed = 0;
    let refused = loop {
        decoder.feed(Bytes::from(vec![b'x'; 16 * 1024]));
        fed += 16 * 1024;
        if let Err(error) = decoder.next_event() {
            break error;
        }
    };
    assert_eq!(refused, SseError::EventTooLarge { max: 40_000 });
    assert_eq!(fed, 48 * 1024);
}

#[test]
fn reads_a_long_line_in_small_chunks() {
    let stream = [b"data: ".as_slice(), &vec![b'x'; 200_000], b"\n\n"].concat();
    let events = decode_cut(&stream, &[1]);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].data.len(), 200_000);
}

#[test]
fn a_keep_alive_is_no_event() {
    check(
        std::str::from_utf8(&[COMMENT_KEEP_ALIVE, b"data: a\n\n", COMMENT_KEEP_ALIVE].concat()).unwrap(),
        &["a"],
    );
}

/// The specification's algorithm, read word by word and without any care for speed.
fn reference(stream: &[u8]) -> Vec<Event> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let text: Vec<u8> = stream.to_vec();
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\r' => {
                lines.push(std::mem::take(&mut line));
                at += usize::from(text.get(at + 1) == Some(&b'\n'));
            }
            b'\n' => lines.push(std::mem::take(&mut line)),
            byte => line.push(byte),
        }
        at += 1;
    }
    let mut events = Vec::new();
    let (mut event, mut data, mut seen) = (Event::default(), Vec::new(), false);
    for line in lines {
        if line.is_empty() {
            let done = std::mem::take(&mut event);
            let mut data: Vec<u8> = std::mem::take(&mut data);
            data.pop();
            if std::mem::take(&mut seen) {
                events.push(Event { data: data.into(), ..done });
            }
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let words = String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
                seen = true;
            }
            b"event" => event.event = Some(words).filter(|name| !["", "message"].contains(&name.as_str())),
            b"id" if !value.contains(&0) => {
                event.id = Some(words);
                seen = true;
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                event.retry = words.parse().ok().or(event.retry);
                seen |= event.retry.is_some();
            }
            _ => {}
        }
    }
    events
}

/// Streams made of what matters to the format.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "data",
        "data:",
        "data: ",
        "event: e",
        "id: 7",
        "id:",
        "id: \0",
        "retry: 12",
        "retry: x",
        ":",
        ":c",
        " ",
        "x",
        "{}",
        "\r",
        "\n",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "é",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_cut_of_any_stream_gives_the_same_events(stream in streams(), cuts in prop::collection::vec(1_usize..9, 1..8)) {
        let expected = reference(&stream);
        prop_assert_eq!(decode_cut(&stream, &[]), expected.clone());
        prop_assert_eq!(decode_cut(&stream, &cuts), expected);
    }
}
