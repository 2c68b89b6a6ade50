//! The commands that read a configuration: what they say about a bad one, and what a running process does when it
//! changes.

use std::path::Path;

use anyhow::{Result, ensure};
use e2e::{Pair, corp, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Modern, Session};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::{self, Gateway};
use testkit::hostile::{Behaviour, Gate, Hostile};

async fn check(text: &str) -> Result<gateway::Outcome> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("portcullis.yaml"), text)?;
    gateway::run(folder.path(), &["check", "-c", "portcullis.yaml"]).await
}

#[tokio::test]
async fn a_good_configuration_is_said_to_be_good() -> Result<()> {
    let outcome = check(&corp(&[plain("legal", "https://legal.example.test/mcp")])).await?;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn every_mistake_has_its_place_and_a_way_on() -> Result<()> {
    let good = corp(&[plain("legal", "https://legal.example.test/mcp")]);
    let cases = [
        ("not YAML", "gateways: [".to_owned(), "1:"),
        ("empty", String::new(), ""),
        ("an unknown key", format!("{good}listne: 127.0.0.1:1\n"), "listne"),
        ("a duplicate key", format!("{good}listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n"), "listen"),
        ("no inbound", good.replace("    inbound: none\n", ""), "inbound"),
        ("a reserved name", good.replace("corp:", "mcp:"), "mcp"),
        ("an upper-case name", good.replace("legal:", "Legal:"), "Legal"),
        ("a short session", good.replace("sessions: {}", "sessions: { timeout: 1m }"), "timeout"),
        ("a long session", good.replace("sessions: {}", "sessions: { timeout: 9h }"), "timeout"),
        ("no server", good.replace("url:", "ulr:"), "ulr"),
        ("a metadata address", good.replace("legal.example.test", "169.254.169.254"), "169.254"),
        (
            "a missing variable",
            good.replace("legal.example.test", "${NO_SUCH_VARIABLE_HERE}"),
            "NO_SUCH_VARIABLE_HERE",
        ),
    ];
    for (what, text, named) in cases {
        let outcome = check(&text).await?;
        assert_eq!(outcome.code, Some(64), "{what}: {outcome:?}");
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        ensure!(said.contains("portcullis.yaml:"), "{what} has no place: {said}");
        ensure!(said.contains(named), "{what}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn all_mistakes_are_named_at_once() -> Result<()> {
    let text = corp(&[plain("legal", "https://legal.example.test/mcp")])
        .replace("streaming: true", "streaming: maybe")
        .replace("prefix: none", "prefix: some");
    let outcome = check(&text).await?;
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    ensure!(said.contains("streaming") && said.contains("prefix"), "{said}");
    Ok(())
}

#[tokio::test]
async fn serve_refuses_a_bad_configuration_before_it_binds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    let bad = format!("listen: {}\ngateways: {{}}\n", held.local_addr()?);
    std::fs::write(folder.path().join("portcullis.yaml"), bad)?;
    let outcome = gateway::run(folder.path(), &["serve", "-c", "portcullis.yaml"]).await?;
    assert_eq!(outcome.code, Some(64), "{outcome:?}");
    ensure!(!outcome.stderr.contains("in use"), "{}", outcome.stderr);
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_sentence() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = held.local_addr()?;
    let text = format!(
        "listen: {address}\nadmin: {{ listen: {} }}\ndata_dir: ./data\n{}",
        gateway::free_port(),
        corp(&[plain("legal", "https://legal.example.test/mcp")])
    );
    std::fs::write(folder.path().join("portcullis.yaml"), text)?;
    let outcome = gateway::run(folder.path(), &["serve", "-c", "portcullis.yaml"]).await?;
    ensure!(outcome.code.is_some_and(|code| code != 0), "{outcome:?}");
    ensure!(outcome.stderr.contains(&address.to_string()), "{}", outcome.stderr);
    ensure!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    Ok(())
}

#[tokio::test]
async fn the_schema_is_json_schema() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let outcome = gateway::run(folder.path(), &["schema"]).await?;
    let schema: Value = serde_json::from_str(&outcome.stdout)?;
    ensure!(schema["$schema"].as_str().is_some_and(|text| text.contains("json-schema.org")), "{schema}");
    ensure!(schema.to_string().contains("gateways"));
    Ok(())
}

#[tokio::test]
async fn imports_are_printed_and_literal_secrets_become_references() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let claude = json!({"mcpServers": {
        "files": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/srv"]},
        "github": {"command": "github-mcp", "env": {"GITHUB_TOKEN": "ghp_0123456789abcdefghijABCDEFGHIJ012345"}},
        "search": {"url": "https://search.example.test/mcp"},
    }});
    let vscode = json!({"servers": {"search": {"type": "http", "url": "https://search.example.test/mcp"}}});
    for (name, file, expected) in
        [("mcp.json", claude, "server-filesystem"), ("vscode.json", vscode, "search.example.test")]
    {
        std::fs::write(folder.path().join(name), file.to_string())?;
        let outcome = gateway::run(folder.path(), &["import", name]).await?;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        ensure!(outcome.stdout.contains(expected), "{}", outcome.stdout);
        ensure!(!outcome.stdout.contains("ghp_0123456789"), "{}", outcome.stdout);
        std::fs::write(folder.path().join("portcullis.yaml"), &outcome.stdout)?;
        let env_missing = gateway::run(folder.path(), &["check"]).await?;
        ensure!(
            env_missing.code == Some(0)
                || env_missing.stderr.contains("GITHUB_TOKEN")
                || env_missing.stdout.contains("GITHUB_TOKEN"),
            "{env_missing:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_file_is_taken_up_whole_and_a_bad_one_is_not() -> Result<()> {
    let first = Hostile::modern().tool("first", Behaviour::text("1")).start().await?;
    let second = Hostile::modern().tool("second", Behaviour::text("2")).start().await?;
    let one = [plain("first", &first.url())];
    let mut gateway = Gateway::start(&corp(&one)).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["first"]).await?;

    gateway.rewrite(&corp(&[plain("first", &first.url()), plain("second", &second.url())]))?;
    listed(&endpoint, &["first", "second"]).await?;

    gateway.rewrite("gateways: { corp: { inbound: maybe } }\n")?;
    gateway.wait_for_log(|log| log.contains("portcullis.yaml") && log.contains("inbound")).await?;
    assert_eq!(text(&Modern::new(&endpoint).tool("second", json!({})).await?), "2");

    gateway.rewrite(&corp(&one))?;
    eventually("the second target is gone", || async {
        let names = Modern::new(&endpoint).tool_names().await?;
        Ok((names == ["first"]).then_some(()))
    })
    .await?;
    ensure!(gateway.is_alive());
    Ok(())
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_refused_at_reload() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let file = pair.gateway.folder().path().join("portcullis.yaml");
    let text = std::fs::read_to_string(&file)?;
    for (key, from, to) in [
        ("listen", pair.endpoint().address.to_string(), gateway::free_port().to_string()),
        ("data_dir", "./data".into(), "./other".into()),
    ] {
        replace(&file, &text.replace(&from, &to))?;
        let named = format!("\"config.keys\":\"{key}");
        let says = |line: &str| line.contains("restart needed") && line.contains(&named);
        pair.gateway.wait_for_log(|log| log.lines().any(says)).await?;
    }
    listed(&pair.endpoint(), &["greet"]).await?;
    Ok(())
}

fn replace(file: &Path, text: &str) -> Result<()> {
    let next = file.with_extension("next");
    std::fs::write(&next, text)?;
    Ok(std::fs::rename(next, file)?)
}

#[tokio::test]
async fn a_running_call_survives_a_reload() -> Result<()> {
    let gate = Gate::default();
    let backend = Hostile::modern().tool("held", Behaviour::text("done").held(&gate)).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["held"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let running = session.clone();
    let call = tokio::spawn(async move { running.tool("held", json!({})).await });
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    let fixture = FixtureServer::start(Era::Dual).await?;
    gateway.rewrite(&corp(&[plain("backend", &backend.url()), plain("fixture", &fixture.url())]))?;
    listed(&endpoint, &["greet"]).await?;
    gate.open();
    assert_eq!(text(&call.await??), "done");
    assert_eq!(text(&session.tool("greet", json!({"name": "same session"})).await?), "Hello, same session!");
    Ok(())
}

#[tokio::test]
async fn a_running_call_is_answered_before_the_process_ends() -> Result<()> {
    let gate = Gate::default();
    let backend = Hostile::modern().tool("held", Behaviour::text("done").held(&gate)).start().await?;
    let mut gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["held"]).await?;
    let client = Modern::new(&endpoint);
    let call = tokio::spawn(async move { client.tool("held", json!({})).await });
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    gateway.ask_to_stop().await?;
    eventually("it says that it is stopping", || async {
        let probe = gateway.admin().at("/readyz").call("GET").send().await;
        Ok(probe.map_or(Some(()), |reply| (reply.status != 200).then_some(())))
    })
    .await?;
    gate.open();
    assert_eq!(text(&call.await??), "done");
    assert!(gateway.ended().await?.success());
    Ok(())
}

#[tokio::test]
async fn health_is_on_the_admin_listener_only() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(pair.gateway.admin().at(path).call("GET").send().await?.status, 200, "{path}");
        assert_eq!(pair.endpoint().at(path).call("GET").send().await?.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn help_names_every_verb() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let outcome = gateway::run(folder.path(), &["--help"]).await?;
    for verb in ["demo", "serve", "check", "schema", "token", "import"] {
        ensure!(outcome.stdout.contains(verb), "{verb} in {}", outcome.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn the_demo_walks_its_own_tour() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let outcome = gateway::run(folder.path(), &["demo", "--check"]).await?;
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
    Ok(())
}

#[tokio::test]
async fn a_second_gateway_on_one_data_dir_does_not_start() -> Result<()> {
    let gateway = Gateway::start(&corp(&[plain("backend", "http://127.0.0.1:9/mcp")])).await?;
    let folder = gateway.folder();
    let other = std::fs::read_to_string(folder.path().join("portcullis.yaml"))?
        .replace(&gateway.address().to_string(), "127.0.0.1:0")
        .replace(&gateway.admin().address.to_string(), "127.0.0.1:0");
    std::fs::write(folder.path().join("other.yaml"), other)?;
    let outcome = gateway::run(folder.path(), &["serve", "-c", "other.yaml"]).await?;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    ensure!(outcome.stderr.contains("is in use: another gateway runs there; stop it"), "{outcome:?}");
    Ok(())
}
