//! HTTP/2 abuse at the front door: what a connection may cost has a bound, and nobody else on another connection
//! notices.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::http2::{
    CANCEL, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, Http2, INITIAL_WINDOW_SIZE, Kind,
    MAX_CONCURRENT_STREAMS, PREFACE, REFUSED_STREAM, block, field, head, remembered, whole,
};
use testkit::client::{Call, Modern};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Streams one connection may have open at a time.
const STREAMS_MAX: usize = 100;
/// Frames without a part of a request that are taken before something useful has to happen.
const CHATTER_MAX: usize = 1000;
/// Far above what the gateway holds in these tests, far below what one attack could make it hold without its bounds.
const RESIDENT_KIB_MAX: u64 = 256 * 1024;
/// How fast a client that trickles sends; the test ends when the gateway has had enough, whenever that is.
const TRICKLE: Duration = Duration::from_millis(50);

/// A gateway, and somebody on a connection of their own.
struct Site {
    backend: Hostile,
    gate: Gate,
    gateway: Gateway,
    neighbour: Http2,
    next: u32,
}

impl Site {
    async fn start(limits: &str) -> Result<Self> {
        let gate = Gate::default();
        let backend = Hostile::modern()
            .tool("quick", Behaviour::text("quick"))
            .tool("held", Behaviour::text("done").held(&gate))
            .tool("large", Behaviour::Large(300_000))
            .start()
            .await?;
        let sections = corp(&[plain("backend", &backend.url())]);
        let gateway = Gateway::start(&format!("limits: {{ {limits} }}\n{sections}")).await?;
        listed(&gateway.endpoint("corp"), &["quick", "held", "large"]).await?;
        let neighbour = Http2::open(gateway.address(), &[]).await?;
        let mut site = Self { backend, gate, gateway, neighbour, next: 1 };
        site.serves_others().await?;
        Ok(site)
    }

    fn call(&self, tool: &str) -> Call {
        let client = Modern::new(&self.gateway.endpoint("corp"));
        client.request(1, "tools/call", json!({"name": tool, "arguments": {}}))
    }

    async fn attacker(&self) -> Result<Http2> {
        Http2::open(self.gateway.address(), &[]).await
    }

    /// Others are served: on a connection that was open before, and on new ones of both protocols.
    async fn serves_others(&mut self) -> Result<()> {
        let call = self.call("quick");
        quick(self.neighbour.call(self.next, &call).await?)?;
        self.next += 2;
        quick(self.attacker().await?.call(1, &call).await?)?;
        let client = Modern::new(&self.gateway.endpoint("corp"));
        assert_eq!(text(&client.tool("quick", json!({})).await?), "quick");
        ensure!(self.gateway.is_alive());
        let resident = self.gateway.memory_kib("VmHWM")?;
        ensure!(resident < RESIDENT_KIB_MAX, "{resident} KiB were resident");
        Ok(())
    }
}

fn message((status, body): (u16, String)) -> Result<Value> {
    ensure!(status == 200, "{status}: {body}");
    Ok(serde_json::from_str(&body)?)
}

fn quick(answer: (u16, String)) -> Result<()> {
    assert_eq!(text(&message(answer)?["result"]), "quick");
    Ok(())
}

/// The code with which a connection was ended.
fn farewell(frames: &[Frame]) -> Option<u32> {
    frames.iter().rev().find(|frame| frame.kind == Kind::GoAway)?.code()
}

fn count(frames: &[Frame], kind: Kind) -> usize {
    frames.iter().filter(|frame| frame.kind == kind).count()
}

/// The numbers of a hundred new streams.
fn streams(round: u32) -> impl Iterator<Item = u32> {
    (0..100).map(move |at| 1 + 2 * (round * 100 + at))
}

fn frames(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.to_bytes()).collect()
}

#[tokio::test]
async fn rapid_reset_ends_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let calls = site.backend.ledger().arrivals().len();
    let block = block(&site.call("held"));
    let open = |stream| Frame::new(Kind::Headers, END_HEADERS, stream, block.clone());
    let opened_and_reset = |round| {
        let both = |stream| [open(stream), Frame::reset(stream, CANCEL)];
        frames(streams(round).flat_map(both))
    };
    let seen = site.attacker().await?.flood(opened_and_reset).await?;
    assert_eq!(farewell(&seen), Some(ENHANCE_YOUR_CALM));
    assert_eq!(site.backend.ledger().arrivals().len(), calls, "nothing was forwarded");
    site.serves_others().await
}

#[tokio::test]
async fn resets_of_calls_in_progress_leave_no_place_taken() -> Result<()> {
    let site = Site::start("in_flight: 2").await?;
    let mut attacker = site.attacker().await?;
    let client = Modern::new(&site.gateway.endpoint("corp"));
    for round in 0..20 {
        for stream in [1, 3].map(|at| at + 4 * round) {
            attacker.write(&whole(stream, &site.call("held"))).await?;
        }
        let arrived = 2 * (round as usize + 1);
        site.backend.ledger().wait_for(|ledger| ledger.calls("held").len() == arrived).await?;
        assert_eq!(client.call("tools/list", json!({})).await?.status, 503);
        for stream in [1, 3].map(|at| at + 4 * round) {
            attacker.write(&Frame::reset(stream, CANCEL).to_bytes()).await?;
        }
        eventually("both places are free again", || async {
            let replies =
                [client.call("tools/list", json!({})).await?, client.call("tools/list", json!({})).await?];
            let hung_up = site.backend.ledger().hung_up() as usize;
            Ok((hung_up == arrived && replies.iter().all(|reply| reply.status == 200)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn streams_that_the_gateway_is_made_to_reset_end_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let block = block(&site.call("held"));
    let made_to_reset = |round| {
        // A window beyond 2^31-1 is an error of the stream.
        let both = |stream| {
            let open = Frame::new(Kind::Headers, END_HEADERS, stream, block.clone());
            [open, Frame::window(stream, (1 << 31) - 1)]
        };
        frames(streams(round).flat_map(both))
    };
    let seen = site.attacker().await?.flood(made_to_reset).await?;
    assert_eq!(farewell(&seen), Some(ENHANCE_YOUR_CALM));
    ensure!(count(&seen, Kind::Reset) <= 100, "{} resets", count(&seen, Kind::Reset));
    site.serves_others().await
}

#[tokio::test]
async fn an_endless_header_block_ends_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let block = block(&site.call("quick"));
    let filler = field("x-filler", &"x".repeat(16_000));
    for (what, part) in [("full", filler), ("small", field("x", "y")), ("empty", Vec::new())] {
        let mut attacker = site.attacker().await?;
        attacker.write(&Frame::new(Kind::Headers, END_STREAM, 1, block.clone()).to_bytes()).await?;
        let more = Frame::new(Kind::Continuation, 0, 1, part).to_bytes();
        let seen = attacker.flood(|_| more.clone()).await?;
        assert_eq!(farewell(&seen), Some(ENHANCE_YOUR_CALM), "{what}");
        assert_eq!(count(&seen, Kind::Headers), 0, "{what}: nothing is answered");
        site.serves_others().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431_and_the_connection_goes_on() -> Result<()> {
    let mut site = Site::start("").await?;
    let calls = site.backend.ledger().calls("quick").len();
    let (call, mut client) = (site.call("quick"), site.attacker().await?);
    let large: Vec<u8> = (0..5).flat_map(|at| field(&format!("x-{at}"), &"x".repeat(15_000))).collect();
    let many: Vec<u8> = (0..200).flat_map(|at| field(&format!("x-{at}"), "x")).collect();
    for (stream, extra) in [(1, large), (3, many)] {
        let block = [block(&call), extra].concat();
        let mut parts = block.chunks(16_000).map(<[u8]>::to_vec).peekable();
        let mut kind = Kind::Headers;
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_none() { END_HEADERS } else { 0 };
            let flags = if kind == Kind::Headers { flags | END_STREAM } else { flags };
            client.write(&Frame::new(kind, flags, stream, part).to_bytes()).await?;
            kind = Kind::Continuation;
        }
        let refused = client.wait_for(|frame| frame.kind == Kind::Headers && frame.stream == stream).await?;
        assert_eq!(refused.status(), Some(431), "{:?}", refused.payload);
    }
    assert_eq!(site.backend.ledger().calls("quick").len(), calls, "nothing was forwarded");
    quick(client.call(5, &call).await?)?;
    site.serves_others().await
}

#[tokio::test]
async fn a_header_that_stands_for_many_ends_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let mut attacker = site.attacker().await?;
    // One field for the table, and then one byte for each further copy: 64 MiB in 16 KiB.
    let mut bomb = block(&site.call("quick"));
    bomb.extend(remembered("x-bomb", &"x".repeat(4000)));
    bomb.resize(16_000, 0xbe);
    attacker.write(&Frame::new(Kind::Headers, END_HEADERS | END_STREAM, 1, bomb).to_bytes()).await?;
    let seen = attacker.rest().await?;
    assert_eq!(farewell(&seen), Some(ENHANCE_YOUR_CALM));
    assert_eq!(count(&seen, Kind::Headers), 0, "nothing is answered");
    site.serves_others().await
}

#[tokio::test]
async fn a_stream_beyond_the_bound_is_refused_and_the_others_are_served() -> Result<()> {
    let mut site = Site::start("").await?;
    let (call, mut client) = (site.call("held"), site.attacker().await?);
    let settings = client.wait_for(|frame| frame.kind == Kind::Settings).await?;
    assert_eq!(settings.setting(MAX_CONCURRENT_STREAMS), Some(STREAMS_MAX as u32));
    for stream in streams(0) {
        client.write(&whole(stream, &call)).await?;
    }
    for stream in streams(1).take(10) {
        client.write(&head(stream, &call)).await?;
        let reset = client.wait_for(|frame| frame.stream == stream).await?;
        assert_eq!(reset.code(), Some(REFUSED_STREAM), "{reset:?}");
    }
    site.backend.ledger().wait_for(|ledger| ledger.calls("held").len() == STREAMS_MAX).await?;
    site.serves_others().await?;
    site.gate.open();
    for _ in streams(0) {
        let answer = client.wait_for(|frame| frame.kind == Kind::Headers).await?;
        ensure!(answer.stream < 2 * STREAMS_MAX as u32, "{answer:?}");
    }
    assert_eq!(site.backend.ledger().calls("held").len(), STREAMS_MAX);
    site.serves_others().await
}

#[tokio::test]
async fn opening_streams_without_end_ends_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let call = site.call("held");
    let seen = site.attacker().await?.flood(|round| streams(round).flat_map(|s| whole(s, &call)).collect());
    let seen = seen.await?;
    assert_eq!(farewell(&seen), Some(ENHANCE_YOUR_CALM));
    let calls = site.backend.ledger().calls("held").len();
    ensure!(calls <= STREAMS_MAX, "{calls} calls were forwarded");
    site.serves_others().await
}

#[tokio::test]
async fn a_flood_of_frames_that_are_no_part_of_a_request_ends_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let kinds = [
        Frame::new(Kind::Ping, 0, 0, [7; 8]),
        Frame::new(Kind::Ping, END_STREAM, 0, [7; 8]),
        Frame::settings(&[]),
        Frame::settings(&[(INITIAL_WINDOW_SIZE, 1)]),
        Frame::new(Kind::Priority, 0, 1, [0, 0, 0, 0, 1]),
        Frame::window(0, 1),
        Frame::new(Kind::Unknown, 0, 0, [0; 16]),
    ];
    for frame in kinds {
        let bytes = frame.to_bytes().repeat(10);
        let seen = site.attacker().await?.flood(|_| bytes.clone()).await?;
        let answers = count(&seen, Kind::Ping).max(count(&seen, Kind::Settings));
        ensure!(answers <= CHATTER_MAX + 2, "{frame:?}: {answers} answers");
        site.serves_others().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_flood_is_ended_also_while_a_call_is_in_progress() -> Result<()> {
    let mut site = Site::start("").await?;
    let mut attacker = site.attacker().await?;
    attacker.write(&whole(1, &site.call("held"))).await?;
    site.backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    let ping = Frame::new(Kind::Ping, 0, 0, [7; 8]).to_bytes();
    let seen = attacker.flood(|_| ping.repeat(10)).await?;
    ensure!(count(&seen, Kind::Ping) <= CHATTER_MAX + 1, "{} answers", count(&seen, Kind::Ping));
    site.backend.ledger().wait_for(|ledger| ledger.hung_up() == 1).await?;
    site.serves_others().await
}

#[tokio::test]
async fn pings_between_calls_are_answered() -> Result<()> {
    let mut site = Site::start("").await?;
    let mut client = site.attacker().await?;
    let pings = Frame::new(Kind::Ping, 0, 0, [7; 8]).to_bytes().repeat(CHATTER_MAX / 2);
    for stream in [1, 3, 5, 7, 9] {
        client.write(&pings).await?;
        for _ in 0..CHATTER_MAX / 2 {
            client.wait_for(|frame| frame.kind == Kind::Ping && frame.flags == END_STREAM).await?;
        }
        quick(client.call(stream, &site.call("quick")).await?)?;
    }
    site.serves_others().await
}

#[tokio::test]
async fn empty_data_frames_without_end_end_the_connection() -> Result<()> {
    let mut site = Site::start("").await?;
    let mut attacker = site.attacker().await?;
    attacker.write(&head(1, &site.call("quick"))).await?;
    let empty = Frame::new(Kind::Data, 0, 1, []).to_bytes();
    let seen = attacker.flood(|_| empty.repeat(10)).await?;
    assert_eq!(farewell(&seen), Some(ENHANCE_YOUR_CALM));
    site.serves_others().await
}

#[tokio::test]
async fn a_body_in_frames_of_one_byte_has_the_bound_of_every_body_or_ends_the_connection() -> Result<()> {
    let mut site = Site::start("request_body: 4KiB").await?;
    let mut attacker = site.attacker().await?;
    let tiny = Frame::new(Kind::Data, 0, 1, [b' ']).to_bytes().repeat(5000);
    attacker.write(&[head(1, &site.call("quick")), tiny].concat()).await?;
    // Whichever comes first: the bound of the body, or the bound of what waits to be read.
    let end = attacker.wait_for(|frame| [Kind::Headers, Kind::GoAway].contains(&frame.kind)).await?;
    ensure!(end.status() == Some(413) || end.code() == Some(ENHANCE_YOUR_CALM), "{end:?}");
    site.serves_others().await
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_take_is_reset_and_the_connection_goes_on() -> Result<()> {
    let mut site = Site::start("").await?;
    let address = site.gateway.address();
    let mut stalled = Vec::new();
    for (tool, window) in [("quick", 0), ("large", 0), ("large", 1), ("large", 20_000)] {
        let mut client = Http2::open(address, &[(INITIAL_WINDOW_SIZE, window)]).await?;
        let call = site.call(tool);
        stalled.push(tokio::spawn(async move {
            client.write(&whole(1, &call)).await?;
            let answer = client.wait_for(|frame| frame.stream == 1).await?;
            ensure!(answer.status() == Some(200), "{tool} {window}: {answer:?}");
            let end = |frame: &Frame| frame.stream == 1 && frame.kind == Kind::Reset;
            let reset = client.wait_for(end).await.with_context(|| format!("{tool}, window {window}"))?;
            ensure!(reset.code() == Some(CANCEL), "{tool} {window}: {reset:?}");
            anyhow::Ok(client)
        }));
    }
    site.serves_others().await?;
    let call = site.call("quick");
    for client in stalled {
        let mut client = client.await??;
        client.write(&[whole(3, &call), Frame::window(3, 65_535).to_bytes()].concat()).await?;
        quick(client.answer(3).await?)?;
    }
    // The neighbour has been silent for longer than a connection that answers no PING is kept.
    site.neighbour = site.attacker().await?;
    site.next = 1;
    site.serves_others().await
}

#[tokio::test]
async fn an_answer_that_is_taken_in_small_steps_arrives_whole() -> Result<()> {
    let site = Site::start("").await?;
    let mut client = Http2::open(site.gateway.address(), &[(INITIAL_WINDOW_SIZE, 1000)]).await?;
    let answer = message(client.call(1, &site.call("large")).await?)?;
    assert_eq!(text(&answer["result"]).len(), 300_000);
    Ok(())
}

#[tokio::test]
async fn a_frame_or_head_that_does_not_end_ends_the_connection() -> Result<()> {
    let mut site = Site::start("read_timeout: 1s").await?;
    let call = site.call("held");
    let settings = Frame::settings(&[]).to_bytes();
    let opening = [PREFACE, &settings].concat();
    let request = head(1, &call);
    let open_head = Frame::new(Kind::Headers, 0, 1, block(&call)).to_bytes();
    let ping = Frame::new(Kind::Ping, 0, 0, [7; 8]).to_bytes();
    let cases = [
        ("no settings", PREFACE.to_vec()),
        ("half of the settings", [PREFACE, &settings[..5]].concat()),
        ("half of a frame head", [&opening, &request[..5]].concat()),
        ("half of a frame", [&opening, &request[..request.len() / 2]].concat()),
        ("a head without its end", [&opening[..], &open_head].concat()),
        ("half of a PING after a request", [&opening[..], &whole(1, &call), &ping[..12]].concat()),
        ("half of a body's frame", [&opening[..], &request, &[0, 16, 0, 0, 0, 0, 0, 0, 1, b'{']].concat()),
    ];
    for (what, bytes) in cases {
        let mut attacker = Http2::silent(site.gateway.address()).await?;
        attacker.write(&bytes).await?;
        attacker.rest().await.context(what)?;
    }
    site.serves_others().await
}

#[tokio::test]
async fn a_trickled_body_is_cut_alike_over_both_protocols() -> Result<()> {
    let mut site = Site::start("read_timeout: 1s").await?;
    let call = site.call("quick");

    let mut client = site.attacker().await?;
    client.write(&head(1, &call)).await?;
    let byte = Frame::new(Kind::Data, 0, 1, [b' ']).to_bytes();
    let refused = loop {
        tokio::select! {
            frame = client.frame() => match frame?.context("closed")? {
                frame if frame.kind == Kind::Headers => break frame,
                _ => {}
            },
            () = tokio::time::sleep(TRICKLE) => client.write(&byte).await?,
        }
    };
    assert_eq!(refused.status(), Some(408));
    quick(client.call(3, &call).await?)?;

    let mut socket = tokio::net::TcpStream::connect(site.gateway.address()).await?;
    let request = call.to_bytes();
    let (head, _) = request.split_at(request.len() - call.content().len());
    socket.write_all(head).await?;
    let mut answer = [0; 12];
    let mut read = 0;
    while read == 0 {
        tokio::select! {
            count = socket.read(&mut answer) => read = count?,
            () = tokio::time::sleep(TRICKLE) => socket.write_all(b" ").await?,
        }
    }
    assert_eq!(std::str::from_utf8(&answer[..read])?, "HTTP/1.1 408");
    site.serves_others().await
}
