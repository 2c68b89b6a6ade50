//! A changed configuration while requests run: calls in progress get their true answers, sessions go on, what is no
//! longer needed is ended afterwards, and what only a restart can change says so.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, corp_with, eventually, listed, plain, target, text};
use serde_json::{Value, json};
use testkit::client::{Modern, Reply, Session};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Builder, Gate, Hostile};
use tokio::task::JoinHandle;

const TAKEN_OVER: &str = "configuration taken over";

/// Rewrites the configuration and waits until it is in force.
async fn take_over(gateway: &Gateway, sections: &str) -> Result<()> {
    let before = gateway.log().matches(TAKEN_OVER).count();
    gateway.rewrite(sections)?;
    gateway.wait_for_log(|log| log.matches(TAKEN_OVER).count() > before).await
}

fn call(tool: &str) -> Value {
    json!({"name": tool, "arguments": {}})
}

async fn backend(builder: Builder, gate: &Gate) -> Result<Hostile> {
    let held = Behaviour::text("the true answer").held(gate);
    builder.tool("held", held).tool("quick", Behaviour::text("quick")).start().await
}

/// The upstream sessions in which a tool was called.
fn used(backend: &Hostile, tool: &str) -> Vec<String> {
    let calls = backend.ledger().calls(tool);
    calls.iter().filter_map(|call| call.header("mcp-session-id").map(str::to_owned)).collect()
}

fn is_ended(backend: &Hostile, session: &str) -> bool {
    backend.ledger().of("DELETE").iter().any(|arrival| arrival.header("mcp-session-id") == Some(session))
}

async fn ends(backend: &Hostile, session: &str) -> Result<()> {
    let ended = |ledger: &testkit::hostile::Ledger| {
        ledger.of("DELETE").iter().any(|arrival| arrival.header("mcp-session-id") == Some(session))
    };
    backend.ledger().wait_for(ended).await
}

/// A legacy and a modern call that wait at the gate.
async fn two_waiting(
    backend: &Hostile,
    gateway: &Gateway,
    session: &Session,
) -> Result<[JoinHandle<Result<Reply>>; 2]> {
    let legacy = session.request(1, "tools/call", call("held"));
    let modern = Modern::new(&gateway.endpoint("corp")).request(1, "tools/call", call("held"));
    let waiting = [legacy, modern].map(|call| tokio::spawn(async move { call.send().await }));
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 2).await?;
    Ok(waiting)
}

/// With a call of each era waiting at a legacy server, changes the configuration; both must be answered, in upstream
/// sessions that are not ended before. Gives the backend, the gateway, the client's session and its upstream session.
async fn answered_across(change: impl Fn(&str) -> String) -> Result<(Hostile, Gateway, Session, String)> {
    let gate = Gate::default();
    let backend = backend(Hostile::legacy(), &gate).await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    session.tool("quick", json!({})).await?;
    let own = used(&backend, "quick").pop().context("no upstream session")?;
    let waiting = two_waiting(&backend, &gateway, &session).await?;
    let during = used(&backend, "held");
    assert_eq!(during.len(), 2);

    take_over(&gateway, &change(&backend.url())).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    for upstream in &during {
        ensure!(!is_ended(&backend, upstream), "{upstream} was ended under a running call");
    }
    assert_eq!(backend.ledger().hung_up(), 0, "the calls are still waited for");
    gate.open();
    for call in waiting {
        assert_eq!(text(&call.await??.result()?), "the true answer");
    }
    assert_eq!(backend.ledger().calls("held").len(), 2, "nothing was sent twice");
    Ok((backend, gateway, session, own))
}

fn with_target(url: &str, settings: &str) -> String {
    corp(&[target("backend", &format!("mcp: {{ url: \"{url}\" }}, prefix: none{settings}"))])
}

#[tokio::test]
async fn running_calls_are_answered_when_a_limit_of_their_target_changes() -> Result<()> {
    let (backend, _gateway, session, own) =
        answered_across(|url| format!("limits: {{ json_depth: 32 }}\n{}", with_target(url, ""))).await?;
    ends(&backend, &own).await?;
    assert_eq!(text(&session.tool("quick", json!({})).await?), "quick", "the client's session goes on");
    let now = used(&backend, "quick").pop();
    ensure!(now.as_ref() != Some(&own), "the new target has a session of its own");
    Ok(())
}

#[tokio::test]
async fn running_calls_are_answered_when_the_settings_of_their_target_change() -> Result<()> {
    let (backend, _gateway, session, own) =
        answered_across(|url| with_target(url, ", call_timeout: 4m")).await?;
    ends(&backend, &own).await?;
    assert_eq!(text(&session.tool("quick", json!({})).await?), "quick", "the client's session goes on");
    Ok(())
}

#[tokio::test]
async fn running_calls_and_their_sessions_go_on_when_the_idle_time_changes() -> Result<()> {
    let (backend, _gateway, session, own) = answered_across(|url| {
        corp_with(
            "    inbound: none\n    streaming: true\n    sessions: { idle: 5m }\n",
            &[plain("backend", url)],
        )
    })
    .await?;
    assert_eq!(text(&session.tool("quick", json!({})).await?), "quick");
    assert_eq!(used(&backend, "quick").pop(), Some(own.clone()), "the same upstream session");
    ensure!(!is_ended(&backend, &own));
    assert_eq!(session.delete().send().await?.status, 204);
    ends(&backend, &own).await
}

#[tokio::test]
async fn a_target_that_is_removed_answers_what_it_was_asked_and_is_then_ended() -> Result<()> {
    let gate = Gate::default();
    let removed = backend(Hostile::legacy(), &gate).await?;
    let other = Hostile::modern().tool("other", Behaviour::text("other")).start().await?;
    let gateway =
        Gateway::start(&corp(&[plain("removed", &removed.url()), plain("other", &other.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["held", "other"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let waiting = two_waiting(&removed, &gateway, &session).await?;
    take_over(&gateway, &corp(&[plain("other", &other.url())])).await?;
    eventually("its tools are gone", || async {
        let names = Modern::new(&endpoint).tool_names().await?;
        Ok((names == ["other"]).then_some(()))
    })
    .await?;
    assert_eq!(session.call("tools/call", call("quick")).await?.error_code()?, -32602);
    for upstream in used(&removed, "held") {
        ensure!(!is_ended(&removed, &upstream), "{upstream} was ended under a running call");
    }
    gate.open();
    for call in waiting {
        assert_eq!(text(&call.await??.result()?), "the true answer");
    }
    for upstream in used(&removed, "held") {
        ends(&removed, &upstream).await?;
    }
    assert_eq!(text(&session.tool("other", json!({})).await?), "other");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_removed_answers_what_it_was_asked_for_modern_clients() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(Hostile::legacy(), &gate).await?;
    let both = corp(&[plain("backend", &backend.url())]);
    let more = format!("  more:\n    inbound: none\n    targets:\n{}", plain("backend", &backend.url()));
    let gateway = Gateway::start(&format!("{both}{more}")).await?;
    listed(&gateway.endpoint("more"), &["held"]).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    let running = Modern::new(&gateway.endpoint("more")).request(1, "tools/call", call("held"));
    let running = tokio::spawn(async move { running.send().await });
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    take_over(&gateway, &both).await?;
    assert_eq!(Modern::new(&gateway.endpoint("more")).call("tools/list", json!({})).await?.status, 404);
    let upstream = used(&backend, "held").pop().context("no upstream session")?;
    ensure!(!is_ended(&backend, &upstream));
    gate.open();
    assert_eq!(text(&running.await??.result()?), "the true answer");
    ends(&backend, &upstream).await
}

/// A legacy server in shell whose tool `held` waits until somebody writes to the pipe `gate`. As servers should, it ends
/// when its input does, whatever it is doing.
const CHILD: &str = r#"
say() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"; }
held() { read -r text < gate; say '"result":{"content":[{"type":"text","text":"'"$text"'"}]}'; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) say '"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/list"'*) say '"result":{"tools":[{"name":"held","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*) held & job=$!; echo $$ >> called ;;
    *'"id"'*) say '"error":{"code":-32601,"message":"Method not found"}' ;;
  esac
done
if [ -n "$job" ]; then kill "$job"; fi
"#;

fn child(settings: &str) -> String {
    let script = serde_json::to_string(CHILD).unwrap_or_default();
    target(
        "child",
        &format!("mcp: {{ command: sh, args: [\"-c\", {script}], era: legacy }}, prefix: none{settings}"),
    )
}

/// The children that were called, as process ids.
fn called(folder: &Path) -> Vec<String> {
    let file = std::fs::read_to_string(folder.join("called")).unwrap_or_default();
    file.lines().map(str::to_owned).collect()
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; only its parent has not looked yet.
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A call that waits at a child.
struct Waiting {
    gateway: Gateway,
    session: Session,
    running: JoinHandle<Result<Reply>>,
    pid: String,
}

impl Waiting {
    async fn start() -> Result<Self> {
        let folder = Arc::new(tempfile::tempdir()?);
        let pipe = folder.path().join("gate");
        ensure!(tokio::process::Command::new("mkfifo").arg(&pipe).status().await?.success());
        let gateway = Gateway::start_in(folder.clone(), &corp(&[child("")]), &[]).await?;
        listed(&gateway.endpoint("corp"), &["held"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let running = session.request(1, "tools/call", call("held"));
        let running = tokio::spawn(async move { running.send().await });
        let pid = eventually("the child was called", || async { Ok(called(folder.path()).pop()) }).await?;
        Ok(Self { gateway, session, running, pid })
    }

    /// Lets the child answer, and waits until it has ended.
    async fn finish(self) -> Result<Gateway> {
        let Self { gateway, running, pid, .. } = self;
        ensure!(alive(&pid), "the child was ended under a running call:\n{}", gateway.log());
        let folder = gateway.folder();
        let pipe = folder.path().join("gate");
        // Opened for both, since opening for writing alone would wait for a reader that may be gone.
        let mut pipe = std::fs::OpenOptions::new().read(true).write(true).open(pipe)?;
        pipe.write_all(b"the true answer\n")?;
        assert_eq!(text(&running.await??.result()?), "the true answer");
        eventually("the replaced child ends", || async { Ok((!alive(&pid)).then_some(())) }).await?;
        assert_eq!(called(folder.path()).len(), 1, "nothing was sent twice");
        Ok(gateway)
    }
}

/// With a call waiting at a child, changes the configuration to that; the child must answer before it ends.
async fn child_answers_across(sections: &str) -> Result<()> {
    let waiting = Waiting::start().await?;
    take_over(&waiting.gateway, sections).await?;
    let ping = waiting.session.call("ping", json!({})).await?;
    assert_eq!(ping.status, 200, "the client's session goes on");
    waiting.finish().await?;
    Ok(())
}

#[tokio::test]
async fn a_replaced_child_answers_what_it_was_asked_before_the_process_ends() -> Result<()> {
    let waiting = Waiting::start().await?;
    take_over(&waiting.gateway, &corp(&[child(", call_timeout: 4m")])).await?;
    waiting.gateway.ask_to_stop().await?;
    waiting.gateway.wait_for_log(|log| log.contains("stopping: no new requests")).await?;
    eventually("no connection is taken", || async {
        Ok(tokio::net::TcpStream::connect(waiting.gateway.address()).await.is_err().then_some(()))
    })
    .await?;
    let mut gateway = waiting.finish().await?;
    assert!(gateway.ended().await?.success());
    gateway.wait_for_log(|log| log.contains("stopped; every request was answered")).await
}

#[tokio::test]
async fn a_child_answers_what_it_was_asked_when_a_limit_changes() -> Result<()> {
    child_answers_across(&format!("limits: {{ json_depth: 32 }}\n{}", corp(&[child("")]))).await
}

#[tokio::test]
async fn a_child_answers_what_it_was_asked_when_its_own_settings_change() -> Result<()> {
    child_answers_across(&corp(&[child(", call_timeout: 4m")])).await
}

#[tokio::test]
async fn a_child_answers_what_it_was_asked_when_it_is_removed() -> Result<()> {
    let other = Hostile::modern().tool("other", Behaviour::text("other")).start().await?;
    child_answers_across(&corp(&[plain("other", &other.url())])).await
}

#[tokio::test]
async fn a_busy_folder_does_not_keep_a_change_from_being_taken_over() -> Result<()> {
    let first = Hostile::modern().tool("first", Behaviour::text("1")).start().await?;
    let second = Hostile::modern().tool("second", Behaviour::text("2")).start().await?;
    // A name of its own, and one like those that config maps swap.
    for name in ["unrelated.log", "..unrelated"] {
        let gateway = Gateway::start(&corp(&[plain("first", &first.url())])).await?;
        listed(&gateway.endpoint("corp"), &["first"]).await?;
        let folder = gateway.folder();
        let churn = tokio::spawn(async move {
            let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
            for round in 0_u64.. {
                beat.tick().await;
                let _folder_may_be_gone = std::fs::write(folder.path().join(name), round.to_string());
            }
        });
        take_over(&gateway, &corp(&[plain("first", &first.url()), plain("second", &second.url())])).await?;
        listed(&gateway.endpoint("corp"), &["first", "second"]).await?;
        churn.abort();
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_says_the_same_is_not_taken_over_again() -> Result<()> {
    let backend = Hostile::legacy().tool("quick", Behaviour::text("quick")).start().await?;
    let same = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&same).await?;
    listed(&gateway.endpoint("corp"), &["quick"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    session.tool("quick", json!({})).await?;
    // After a bad file, so that the log says when the same one was read again.
    gateway.rewrite("gateways: { corp: { inbound: maybe } }\n")?;
    gateway.wait_for_log(|log| log.contains("was not taken over")).await?;
    gateway.rewrite(&same)?;
    gateway.wait_for_log(|log| log.contains("nothing has changed")).await?;
    take_over(&gateway, &format!("limits: {{ batch: 7 }}\n{same}")).await?;
    assert_eq!(gateway.log().matches(TAKEN_OVER).count(), 1, "{}", gateway.log());
    session.tool("quick", json!({})).await?;
    let upstream = used(&backend, "quick");
    assert_eq!(upstream[0], upstream[1], "a limit that is no target's touches no target");
    Ok(())
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_named_and_nothing_of_it_is_taken_over() -> Result<()> {
    let backend = Hostile::modern().tool("old", Behaviour::text("old")).start().await?;
    let newer = Hostile::modern().tool("new", Behaviour::text("new")).start().await?;
    let old = corp(&[plain("backend", &backend.url())]);
    let new = corp(&[plain("backend", &backend.url()), plain("newer", &newer.url())]);
    let gateway = Gateway::start(&old).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["old"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    for (key, changed) in [
        ("egress.allow", "egress: { allow: [\"10.0.0.0/8\"] }\n".to_owned()),
        ("limits.in_flight", "limits: { in_flight: 5 }\n".to_owned()),
        ("limits.in_flight_per_principal", "limits: { in_flight_per_principal: 5 }\n".to_owned()),
        ("limits.streams", "limits: { streams: 5 }\n".to_owned()),
        ("limits.streams_per_principal", "limits: { streams_per_principal: 5 }\n".to_owned()),
        ("limits.connections", "limits: { connections: 5 }\n".to_owned()),
        ("limits.read_timeout", "limits: { read_timeout: 5s }\n".to_owned()),
        ("limits.drain", "limits: { drain: 5s }\n".to_owned()),
        ("public_url", format!("public_url: http://localhost:{}\n", gateway.address().port())),
    ] {
        gateway.rewrite(&format!("{changed}{new}"))?;
        let named = format!("\"config.keys\":\"{key}\"");
        gateway
            .wait_for_log(|log| {
                log.lines().any(|line| line.contains("restart needed") && line.contains(&named))
            })
            .await?;
        assert_eq!(Modern::new(&endpoint).tool_names().await?, ["old"], "{key}");
        assert_eq!(text(&session.tool("old", json!({})).await?), "old", "{key}");
    }
    ensure!(!gateway.log().contains(TAKEN_OVER), "{}", gateway.log());
    take_over(&gateway, &new).await?;
    listed(&endpoint, &["new"]).await?;
    Ok(())
}

#[tokio::test]
async fn sessions_that_are_open_count_under_a_new_bound() -> Result<()> {
    let backend = Hostile::modern().tool("quick", Behaviour::text("quick")).start().await?;
    let site = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&site).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["quick"]).await?;
    let first = Session::open(&endpoint, "2025-11-25").await?;
    let second = Session::open(&endpoint, "2025-11-25").await?;
    take_over(&gateway, &format!("limits: {{ sessions: 2 }}\n{site}")).await?;
    for session in [&first, &second] {
        assert_eq!(text(&session.tool("quick", json!({})).await?), "quick");
    }
    let third = endpoint.post(Session::initialize("2025-11-25", json!({}))).send().await?;
    assert_eq!((third.status, third.error_code()?), (200, 1429), "{}", third.text());
    assert_eq!(first.delete().send().await?.status, 204);
    Session::open(&endpoint, "2025-11-25").await?;
    Ok(())
}

#[tokio::test]
async fn sessions_that_are_switched_off_end_with_all_that_hangs_on_them() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(Hostile::legacy(), &gate).await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["held"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    session.tool("quick", json!({})).await?;
    let own = used(&backend, "quick").pop().context("no upstream session")?;
    let off = "    inbound: none\n    streaming: true\n    sessions: off\n";
    take_over(&gateway, &corp_with(off, &[plain("backend", &backend.url())])).await?;
    ends(&backend, &own).await?;
    let status = session.call("tools/list", json!({})).await?.status;
    ensure!([400, 404].contains(&status), "the client must learn that its session is over: {status}");
    Ok(())
}

#[tokio::test]
async fn a_bad_file_changes_nothing_for_those_at_work() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(Hostile::legacy(), &gate).await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let waiting = two_waiting(&backend, &gateway, &session).await?;
    gateway.rewrite("gateways: { corp: { inbound: maybe } }\n")?;
    gateway.wait_for_log(|log| log.contains("was not taken over")).await?;
    gate.open();
    for call in waiting {
        assert_eq!(text(&call.await??.result()?), "the true answer");
    }
    assert_eq!(text(&session.tool("quick", json!({})).await?), "quick");
    Ok(())
}
