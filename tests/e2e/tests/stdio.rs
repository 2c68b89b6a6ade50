//! Servers that are child processes.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::{audit, corp, corp_with, eventually, listed, standing, target, text};
use serde_json::json;
use testkit::client::{Modern, Session};
use testkit::gateway::Gateway;
use testkit::idp::Idp;
use testkit::tools;

/// The fixture over stdio, started through a shell that does something first.
fn child(era: &str, first: &str, settings: &str) -> String {
    let script = format!("{first} exec {} --era {era} --stdio", tools::fixture_binary().display());
    let quoted = serde_json::to_string(&script).unwrap_or_default();
    target("child", &format!("mcp: {{ command: sh, args: [\"-c\", {quoted}]{settings} }}, prefix: none"))
}

fn pids(folder: &Path) -> Vec<String> {
    let file = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
    file.lines().map(str::to_owned).collect()
}

/// Whether the log says that the lists of a target could not be had.
fn failed_to_list(log: &str, target: &str) -> bool {
    let named = format!("\"target.name\":\"{target}\"");
    log.lines().any(|line| line.contains("cannot capture the lists") && line.contains(&named))
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; only its parent has not looked yet.
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn children_of_every_era_are_used() -> Result<()> {
    for era in ["dual", "legacy", "modern"] {
        let gateway = Gateway::start(&corp(&[child(era, "", "")])).await?;
        let endpoint = gateway.endpoint("corp");
        listed(&endpoint, &["greet"]).await?;
        let session = Session::open(&endpoint, "2025-11-25").await?;
        for client in ["L", "M"] {
            let arguments = json!({"name": client});
            let result = match client {
                "L" => session.tool("greet", arguments).await?,
                _ => Modern::new(&endpoint).tool("greet", arguments).await?,
            };
            assert_eq!(text(&result), format!("Hello, {client}!"), "{era}");
        }
        let read = session.call("resources/read", json!({"uri": "test://static-text"})).await?.result()?;
        assert_eq!(read["contents"][0]["uri"], "test://static-text");
        let params =
            json!({"name": "fixture_slow", "arguments": {"steps": 3}, "_meta": {"progressToken": "p"}});
        assert_eq!(
            session.call("tools/call", params).await?.messages()?.len(),
            4,
            "{era}: three reports, one result"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_child_sees_only_the_environment_it_was_given() -> Result<()> {
    let folder = Arc::new(tempfile::tempdir()?);
    let given = ", env: { GIVEN: \"${GIVEN_SECRET}\" }";
    let sections = corp(&[child("dual", "env > environment;", given)]);
    let env =
        [("GATEWAY_SECRET", "canary-1"), ("GIVEN_SECRET", "canary-2"), ("AWS_SECRET_ACCESS_KEY", "canary-3")];
    let gateway = Gateway::start_in(folder.clone(), &sections, &env).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    let seen = std::fs::read_to_string(folder.path().join("environment"))?;
    ensure!(seen.lines().any(|line| line == "GIVEN=canary-2"), "{seen}");
    ensure!(!seen.contains("canary-1") && !seen.contains("canary-3"), "{seen}");
    // What a shell adds for itself besides.
    let allowed = ["PATH", "HOME", "LANG", "TMPDIR", "GIVEN", "PWD", "OLDPWD", "SHLVL", "_"];
    for line in seen.lines() {
        let name = line.split('=').next().unwrap_or_default();
        ensure!(allowed.contains(&name), "{name} leaked");
    }
    Modern::new(&gateway.endpoint("corp")).tool("greet", json!({"name": "E"})).await?;
    gateway.wait_for_log(|log| audit::outcomes(log, "tools/call") == ["ok"]).await?;
    ensure!(!gateway.log().contains("canary-2"));
    Ok(())
}

#[tokio::test]
async fn stderr_is_logged_and_noise_on_stdout_is_survived() -> Result<()> {
    let noise = "echo hello-from-stderr >&2; echo this is not json; echo '{\"half\":'; echo '[]';";
    let gateway = Gateway::start(&corp(&[child("legacy", noise, "")])).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    gateway.wait_for_log(|log| log.contains("hello-from-stderr")).await?;
    assert_eq!(
        text(&Modern::new(&gateway.endpoint("corp")).tool("greet", json!({"name": "N"})).await?),
        "Hello, N!"
    );
    Ok(())
}

#[tokio::test]
async fn a_child_that_died_is_started_again() -> Result<()> {
    let folder = Arc::new(tempfile::tempdir()?);
    let sections = corp(&[child("dual", "echo $$ >> pids;", ", isolation: shared")]);
    let gateway = Gateway::start_in(folder.clone(), &sections, &[]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    client.tool("greet", json!({"name": "1"})).await?;
    for pid in pids(folder.path()) {
        tokio::process::Command::new("kill").args(["-KILL", &pid]).status().await?;
    }
    eventually("a new child answers", || async {
        let reply = client.call("tools/call", json!({"name": "greet", "arguments": {"name": "2"}})).await?;
        Ok(reply.result().ok().filter(|result| text(result) == "Hello, 2!"))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_call_in_flight_when_the_child_dies_fails_with_a_sentence() -> Result<()> {
    let folder = Arc::new(tempfile::tempdir()?);
    let sections = corp(&[child("dual", "echo $$ >> pids;", ", isolation: shared")]);
    let gateway = Gateway::start_in(folder.clone(), &sections, &[]).await?;
    listed(&gateway.endpoint("corp"), &["fixture_slow"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let params = json!({
        "name": "fixture_slow",
        "arguments": {"steps": 100_000, "step_ms": 20},
        "_meta": {"progressToken": "p"},
    });
    let mut stream = session.request(1, "tools/call", params).open().await?;
    stream.until("notifications/progress").await?;
    for pid in pids(folder.path()) {
        tokio::process::Command::new("kill").args(["-KILL", &pid]).status().await?;
    }
    let last = loop {
        let message = stream.message().await?.ok_or_else(|| anyhow::anyhow!("no answer"))?;
        if message.get("error").is_some() {
            break message;
        }
    };
    assert_eq!(last["error"]["code"], 1503, "{last}");
    ensure!(last["error"]["message"].as_str().is_some_and(|text| text.contains("child")), "{last}");
    Ok(())
}

#[tokio::test]
async fn children_end_with_the_gateway() -> Result<()> {
    let folder = Arc::new(tempfile::tempdir()?);
    let gateway =
        Gateway::start_in(folder.clone(), &corp(&[child("legacy", "echo $$ >> pids;", "")]), &[]).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    session.tool("greet", json!({"name": "x"})).await?;
    let started = pids(folder.path());
    ensure!(!started.is_empty());
    assert!(gateway.stop().await?.success());
    eventually("all children ended", || async { Ok(started.iter().all(|pid| !alive(pid)).then_some(())) })
        .await
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_reported_and_costs_nothing_else() -> Result<()> {
    let missing = target("missing", "mcp: { command: no-such-program-anywhere }");
    let gateway = Gateway::start(&corp(&[missing, child("dual", "", "")])).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    gateway.wait_for_log(|log| failed_to_list(log, "missing")).await?;
    let missing = standing(&gateway.endpoint("corp"), "missing").await?;
    assert_eq!(missing["state"], "missing", "{missing}");
    ensure!(
        missing["reason"].as_str().is_some_and(|reason| reason.contains("cannot be reached")),
        "{missing}"
    );
    Ok(())
}

#[tokio::test]
async fn a_line_without_end_is_bounded() -> Result<()> {
    let endless = target(
        "endless",
        "mcp: { command: sh, args: [\"-c\", \"head -c 300000000 /dev/zero | tr '\\\\0' x; cat\"] }, connect_timeout: 5s",
    );
    let mut gateway = Gateway::start(&format!(
        "limits: {{ upstream_event: 1MiB }}\n{}",
        corp(&[endless, child("dual", "", "")])
    ))
    .await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    gateway.wait_for_log(|log| failed_to_list(log, "endless")).await?;
    ensure!(gateway.is_alive());
    let peak = gateway.memory_kib("VmHWM")?;
    ensure!(peak < 150_000, "{peak} KiB for a line of 300 MB");
    Ok(())
}

#[tokio::test]
async fn users_do_not_share_a_child_unless_it_is_written() -> Result<()> {
    for (isolation, children) in [("", 2), (", isolation: shared", 1)] {
        let (idp, folder) = (Idp::start().await?, Arc::new(tempfile::tempdir()?));
        let settings = format!(
            "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [e2e] }} }}\n    streaming: true\n    sessions: {{}}\n",
            idp.issuer(),
            idp.jwks_uri()
        );
        let sections = corp_with(&settings, &[child("dual", "echo $$ >> pids;", isolation)]);
        let gateway = Gateway::start_in(folder.clone(), &sections, &[]).await?;
        let as_user = |user: &str| gateway.endpoint("corp").as_bearer(&idp.token(user, "e2e"));
        listed(&as_user("alice"), &["greet"]).await?;
        // The one that captured the lists belongs to nobody.
        let upkeep = pids(folder.path()).len();
        for user in ["alice", "bob", "alice", "bob"] {
            Modern::new(&as_user(user)).tool("greet", json!({"name": user})).await?;
        }
        let started = pids(folder.path()).len();
        let own = if isolation.is_empty() { started - upkeep } else { started };
        assert_eq!(own, children, "{isolation:?}: {upkeep} for upkeep, {started} in all");
    }
    Ok(())
}

#[tokio::test]
async fn a_child_that_cannot_start_is_announced_once() -> Result<()> {
    let folder = Arc::new(tempfile::tempdir()?);
    let script = "echo $$ >> pids; exit 1";
    let broken = target("child", &format!("mcp: {{ command: sh, args: [\"-c\", \"{script}\"] }}"));
    let gateway = Gateway::start_in(folder.clone(), &corp(&[broken]), &[]).await?;
    eventually("it was tried again", async || Ok((pids(folder.path()).len() >= 4).then_some(()))).await?;
    let announced = gateway.log().lines().filter(|line| line.contains("starting a child process")).count();
    assert_eq!(announced, 1, "{}", gateway.log());
    Ok(())
}
