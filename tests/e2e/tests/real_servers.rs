//! Servers that we did not write, as they are published, behind one URL.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, eventually, listed, plain, prefixed, target, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Session};
use testkit::gateway::{self, Gateway};
use testkit::{sdk, tools};
use tokio::process::{Child, Command};

const EVERYTHING: &str = "@modelcontextprotocol/server-everything/dist/index.js";

fn node_server(name: &str, script: &str, arguments: &[&str]) -> String {
    let mut all = vec![tools::npm(script).display().to_string()];
    all.extend(arguments.iter().map(ToString::to_string));
    child(name, &tools::node(), &all)
}

fn python_server(name: &str, program: &str, arguments: &[&str]) -> String {
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    child(name, &tools::python_program(program), &arguments)
}

fn child(name: &str, program: &Path, arguments: &[String]) -> String {
    target(name, &format!("mcp: {{ command: \"{}\", args: {} }}", program.display(), json!(arguments)))
}

/// The reference server on a port of its own.
async fn everything(transport: &str) -> Result<(Child, String)> {
    let address = gateway::free_port();
    let mut command = Command::new(tools::node());
    command.arg(tools::npm(EVERYTHING)).arg(transport).env("PORT", address.port().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().context("run `make setup`")?;
    eventually("the reference server listens", || async {
        Ok(tokio::net::TcpStream::connect(address).await.ok().map(drop))
    })
    .await?;
    let path = if transport == "sse" { "sse" } else { "mcp" };
    Ok((child, format!("http://{address}/{path}")))
}

async fn use_everything(endpoint: &Endpoint, prefix: &str) -> Result<()> {
    let name = |tool: &str| format!("{prefix}{tool}");
    listed(endpoint, &[&name("echo"), &name("get-sum")]).await?;
    let session = Session::open(endpoint, "2025-11-25").await?;
    let echo = json!({"message": "through the gate"});
    assert_eq!(text(&session.tool(&name("echo"), echo.clone()).await?), "Echo: through the gate");
    assert_eq!(text(&Modern::new(endpoint).tool(&name("echo"), echo).await?), "Echo: through the gate");
    let sum = session.tool(&name("get-sum"), json!({"a": 2, "b": 3})).await?;
    ensure!(text(&sum).contains('5'), "{sum}");
    let image = session.tool(&name("get-tiny-image"), json!({})).await?;
    ensure!(
        image["content"].as_array().is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "image"))
    );
    let params = json!({
        "name": name("trigger-long-running-operation"),
        "arguments": {"duration": 1, "steps": 3},
        "_meta": {"progressToken": "p"},
    });
    let messages = session.call("tools/call", params).await?.messages()?;
    let reports = messages.iter().filter(|message| message["method"] == "notifications/progress").count();
    ensure!(reports >= 1, "{messages:?}");
    let prompts = session.call("prompts/list", json!({})).await?.result()?;
    ensure!(prompts["prompts"].as_array().is_some_and(|prompts| !prompts.is_empty()), "{prompts}");
    let resources = session.call("resources/list", json!({})).await?.result()?;
    let own = resources["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|resource| resource["uri"].as_str().is_some_and(|uri| !uri.starts_with("portcullis:")));
    let uri = own.map(|resource| resource["uri"].clone()).context("no resource")?;
    let read = session.call("resources/read", json!({"uri": uri})).await?.result()?;
    assert_eq!(read["contents"][0]["uri"], uri);
    Ok(())
}

#[tokio::test]
async fn the_reference_server_over_stdio() -> Result<()> {
    let gateway = Gateway::start(&corp(&[node_server("everything", EVERYTHING, &["stdio"])])).await?;
    use_everything(&gateway.endpoint("corp"), "everything___").await
}

#[tokio::test]
async fn the_reference_server_over_streamable_http() -> Result<()> {
    let (_server, url) = everything("streamableHttp").await?;
    let gateway = Gateway::start(&corp(&[plain("everything", &url)])).await?;
    use_everything(&gateway.endpoint("corp"), "").await
}

#[tokio::test]
async fn the_reference_server_over_http_and_sse() -> Result<()> {
    let (_server, url) = everything("sse").await?;
    let gateway = Gateway::start(&corp(&[plain("everything", &url)])).await?;
    use_everything(&gateway.endpoint("corp"), "").await
}

#[tokio::test]
async fn five_servers_in_two_languages_behind_one_url() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = folder.path().join("files");
    std::fs::create_dir(&files)?;
    std::fs::write(files.join("hello.txt"), "hello from a file")?;
    let repository = make_repository(folder.path()).await?;
    let files_text = files.display().to_string();
    let memory = child_with_env(
        "memory",
        "@modelcontextprotocol/server-memory/dist/index.js",
        &format!("{{ MEMORY_FILE_PATH: \"{}\" }}", folder.path().join("memory.json").display()),
    );
    let (_server, url) = everything("streamableHttp").await?;
    let gateway = Gateway::start(&corp(&[
        node_server("files", "@modelcontextprotocol/server-filesystem/dist/index.js", &[&files_text]),
        memory,
        python_server("git", "mcp-server-git", &["--repository", &repository]),
        python_server("time", "mcp-server-time", &["--local-timezone", "UTC"]),
        prefixed("everything", &url),
    ]))
    .await?;
    let endpoint = gateway.endpoint("corp");
    let wanted = [
        "files___read_text_file",
        "memory___create_entities",
        "git___git_log",
        "time___convert_time",
        "everything___echo",
    ];
    listed(&endpoint, &wanted).await?;
    for modern in [true, false] {
        let session = Session::open(&endpoint, "2025-11-25").await?;
        let call = |name: &'static str, arguments: Value| {
            let (session, client) = (session.clone(), Modern::new(&endpoint));
            async move {
                if modern { client.tool(name, arguments).await } else { session.tool(name, arguments).await }
            }
        };
        let file = call("files___read_text_file", json!({"path": files.join("hello.txt")})).await?;
        ensure!(text(&file).contains("hello from a file"), "{file}");
        let outside = call("files___read_text_file", json!({"path": "/etc/passwd"})).await?;
        assert_eq!(outside["isError"], true, "the server's own refusal passes");
        let entity = json!({"entities": [{"name": "Ada", "entityType": "person", "observations": ["wrote a program"]}]});
        call("memory___create_entities", entity).await?;
        let graph = call("memory___read_graph", json!({})).await?;
        ensure!(graph.to_string().contains("Ada"), "{graph}");
        let log = call("git___git_log", json!({"repo_path": repository, "max_count": 1})).await?;
        ensure!(log.to_string().contains("first commit"), "{log}");
        let arguments = json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"});
        let time = call("time___convert_time", arguments).await?;
        ensure!(text(&time).contains("21:00"), "{time}");
        let echo = call("everything___echo", json!({"message": "x"})).await?;
        assert_eq!(text(&echo), "Echo: x");
    }
    Ok(())
}

fn child_with_env(name: &str, script: &str, env: &str) -> String {
    let arguments = json!([tools::npm(script)]);
    target(
        name,
        &format!("mcp: {{ command: \"{}\", args: {arguments}, env: {env} }}", tools::node().display()),
    )
}

async fn make_repository(folder: &Path) -> Result<String> {
    let repository = folder.join("repository");
    std::fs::create_dir(&repository)?;
    std::fs::write(repository.join("README"), "a file")?;
    for arguments in [
        vec!["init", "--quiet"],
        vec!["add", "."],
        vec![
            "-c",
            "user.name=e2e",
            "-c",
            "user.email=e2e@example.test",
            "commit",
            "--quiet",
            "-m",
            "first commit",
        ],
    ] {
        let status = Command::new("git").args(arguments).current_dir(&repository).status().await?;
        ensure!(status.success(), "git failed");
    }
    Ok(repository.display().to_string())
}

#[tokio::test]
async fn the_inspector_lists_calls_and_reads_with_a_token() -> Result<()> {
    let fixture = testkit::fixture::FixtureServer::start(testkit::fixture::Era::Dual).await?;
    let settings = "    inbound: { jwt: { issuer: dev } }\n    streaming: true\n    sessions: {}\n";
    let gateway = Gateway::start(&e2e::corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    let token =
        gateway::run(gateway.folder().path(), &["token", "--sub", "alice"]).await?.stdout.trim().to_owned();
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint.as_bearer(&token), &["greet"]).await?;
    let header = format!("Authorization: Bearer {token}");
    let url = endpoint.url();
    let list = sdk::inspector(&url, &["--header", &header, "--method", "tools/list"]).await?;
    ensure!(list["tools"].as_array().is_some_and(|tools| tools.len() > 30), "{list}");
    let call = [
        "--header",
        &header,
        "--method",
        "tools/call",
        "--tool-name",
        "greet",
        "--tool-arg",
        "name=Inspector",
    ];
    assert_eq!(text(&sdk::inspector(&url, &call).await?), "Hello, Inspector!");
    let read = ["--header", &header, "--method", "resources/read", "--uri", "test://static-text"];
    let read = sdk::inspector(&url, &read).await?;
    assert_eq!(read["contents"][0]["uri"], "test://static-text");
    ensure!(sdk::inspector(&url, &["--method", "tools/list"]).await.is_err(), "without a token it fails");
    Ok(())
}
