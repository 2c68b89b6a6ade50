//! HTTP+SSE of 2024-11-05, on either side.

use anyhow::{Context as _, Result, ensure};
use e2e::{Pair, corp, corp_with, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Session, Streaming, notification, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;

/// A 2024-11-05 client: one stream for answers, one path for messages.
struct Client {
    stream: Streaming,
    messages: Endpoint,
}

impl Client {
    async fn open(endpoint: &Endpoint) -> Result<Self> {
        let call = endpoint.at("/corp/sse").call("GET").header("accept", "text/event-stream");
        let mut stream = call.open().await?;
        ensure!(stream.status == 200, "{}", stream.status);
        let first = stream.event().await?.context("no endpoint event")?;
        ensure!(first.name == "endpoint", "{first:?}");
        let path = first
            .data
            .strip_prefix(&format!("http://{}", endpoint.address))
            .unwrap_or(&first.data)
            .to_owned();
        ensure!(path.starts_with("/corp/sse/messages"), "{path}");
        let mut client = Self { stream, messages: endpoint.at(&path) };
        let hello = client.ask(Session::initialize("2024-11-05", json!({}))).await?;
        ensure!(hello["result"]["protocolVersion"] == "2024-11-05", "{hello}");
        client.tell(notification("notifications/initialized", json!({}))).await?;
        Ok(client)
    }

    async fn tell(&self, message: Value) -> Result<()> {
        let reply = self.messages.post(&message).send().await?;
        ensure!(reply.status == 202, "{} {}", reply.status, reply.text());
        Ok(())
    }

    async fn ask(&mut self, message: Value) -> Result<Value> {
        let id = message["id"].clone();
        self.tell(message).await?;
        while let Some(answer) = self.stream.message().await? {
            if answer["id"] == id && answer.get("method").is_none() {
                return Ok(answer);
            }
        }
        anyhow::bail!("the stream ended")
    }
}

#[tokio::test]
async fn an_old_client_reaches_servers_of_every_era() -> Result<()> {
    for era in [Era::Dual, Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let mut client = Client::open(&pair.endpoint()).await?;
        let list = client.ask(request(1, "tools/list", json!({}))).await?;
        ensure!(list["result"]["tools"].as_array().is_some_and(|tools| tools.len() > 30), "{era:?}");
        let call = json!({"name": "greet", "arguments": {"name": "old"}});
        let answer = client.ask(request("two", "tools/call", call)).await?;
        assert_eq!(text(&answer["result"]), "Hello, old!", "{era:?}");
        let read = client.ask(request(3, "resources/read", json!({"uri": "test://static-text"}))).await?;
        assert_eq!(read["result"]["contents"][0]["uri"], "test://static-text");
        let missing = client.ask(request(4, "resources/read", json!({"uri": "test://none"}))).await?;
        assert_eq!(missing["error"]["code"], -32002, "{era:?}");
        assert_eq!(client.ask(request(5, "ping", json!({}))).await?["result"], json!({}));
    }
    Ok(())
}

#[tokio::test]
async fn progress_comes_on_the_stream() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let mut client = Client::open(&pair.endpoint()).await?;
    let params = json!({"name": "fixture_slow", "arguments": {"steps": 3}, "_meta": {"progressToken": "p"}});
    client.tell(request(1, "tools/call", params)).await?;
    for _ in 0..3 {
        assert_eq!(client.stream.message().await?.unwrap_or_default()["method"], "notifications/progress");
    }
    assert_eq!(client.stream.message().await?.unwrap_or_default()["id"], 1);
    Ok(())
}

#[tokio::test]
async fn messages_need_a_stream_that_is_open() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let ping = request(1, "ping", json!({}));
    for path in
        ["/corp/sse/messages", "/corp/sse/messages?sessionId=made-up", "/corp/sse/messages?session_id=x"]
    {
        let status = pair.endpoint().at(path).post(&ping).send().await?.status;
        ensure!([400, 404].contains(&status), "{path}: {status}");
    }
    let client = Client::open(&pair.endpoint()).await?;
    let messages = client.messages.clone();
    drop(client);
    e2e::eventually("the session ends with its stream", || async {
        let status = messages.post(&ping).send().await?.status;
        Ok((status == 404).then_some(()))
    })
    .await
}

#[tokio::test]
async fn without_streaming_there_is_no_old_endpoint() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = "    inbound: none\n    streaming: false\n    sessions: {}\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    let status = gateway.endpoint("corp").at("/corp/sse").call("GET").send().await?.status;
    ensure!([404, 405].contains(&status), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_gateway_may_leave_the_old_version_out() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = "    inbound: none\n    streaming: true\n    sessions: {}\n    versions: [\"2025-11-25\", \"2026-07-28\"]\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    let status = gateway.endpoint("corp").at("/corp/sse").call("GET").send().await?.status;
    ensure!([404, 405].contains(&status), "{status}");
    let session = Session::open(&gateway.endpoint("corp"), "2025-03-26").await?;
    assert_eq!(session.version, "2025-11-25");
    Ok(())
}

#[tokio::test]
async fn an_old_server_is_found_out_and_used() -> Result<()> {
    let fixture = FixtureServer::start(Era::Legacy).await?;
    let gateway = Gateway::start(&corp(&[plain("fixture", &fixture.sse_url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["greet"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    assert_eq!(text(&session.tool("greet", json!({"name": "L"})).await?), "Hello, L!");
    assert_eq!(text(&Modern::new(&endpoint).tool("greet", json!({"name": "M"})).await?), "Hello, M!");
    let params = json!({"name": "fixture_slow", "arguments": {"steps": 3}, "_meta": {"progressToken": "p"}});
    assert_eq!(session.call("tools/call", params).await?.messages()?.len(), 4);
    let read = session.call("resources/read", json!({"uri": "test://static-text"})).await?.result()?;
    assert_eq!(read["contents"][0]["uri"], "test://static-text");
    Ok(())
}
