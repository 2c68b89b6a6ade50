//! `taskIds` of `subscriptions/listen`: whoever listens is told how their tasks are, and nobody else is.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use e2e::{Pair, corp, corp_with, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Modern, Streaming};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::{self, Gateway};
use testkit::hostile::{Behaviour, Gate, Hostile};
use testkit::idp::Idp;
use testkit::tools;
use tokio::process::Command;

const TASKS: &str = "io.modelcontextprotocol/tasks";
const SUBSCRIPTION: &str = "/params/_meta/io.modelcontextprotocol~1subscriptionId";
const AUDIENCE: &str = "https://mcp.corp.example/corp/mcp";
const RESEARCH: &str = "simulate-research-query";

/// A client that knows the extension, and can be asked things besides.
fn able(mut capabilities: Value) -> Value {
    capabilities["extensions"] = json!({ TASKS: {} });
    capabilities
}

fn forms() -> Value {
    json!({ "elicitation": { "form": {} } })
}

async fn made(client: &Modern, tool: &str, arguments: Value) -> Result<Value> {
    let created = client.tool(tool, arguments).await?;
    ensure!(created["resultType"] == "task" && created["taskId"].is_string(), "no task: {created}");
    Ok(created["taskId"].clone())
}

/// Listens under the id `ears`; answers with what was acknowledged.
async fn listen(client: &Modern, ids: &[&Value]) -> Result<(Streaming, Value)> {
    let filter = json!({ "notifications": { "taskIds": ids } });
    let mut stream = client.request("ears", "subscriptions/listen", filter).open().await?;
    ensure!(stream.status == 200, "{}", stream.finish().await?.text());
    let first = stream.message().await?.context("nothing was acknowledged")?;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    Ok((stream, first["params"]["notifications"].clone()))
}

/// What is told next of the task of this id.
async fn told(stream: &mut Streaming, id: &Value) -> Result<Value> {
    let message = stream.message().await?.context("the stream ended")?;
    assert_eq!(message["method"], "notifications/tasks", "{message}");
    assert_eq!(message.pointer(SUBSCRIPTION), Some(&json!("ears")), "{message}");
    let task = message["params"].clone();
    assert_eq!(&task["taskId"], id, "{task}");
    ensure!(task.get("resultType").is_none(), "a notification is no result: {task}");
    Ok(task)
}

async fn told_until(stream: &mut Streaming, id: &Value, status: &str) -> Result<Value> {
    loop {
        let task = told(stream, id).await?;
        if task["status"] == status {
            return Ok(task);
        }
        ensure!(task["status"] == "working", "{task}");
    }
}

/// A modern server whose task `own-1` answers so when it is asked about.
async fn server(get: Behaviour) -> Result<(Hostile, Gateway, Modern, Value)> {
    let backend = Hostile::modern()
        .capabilities(json!({ "tools": {}, "extensions": { TASKS: {} } }))
        .tool("job", Behaviour::Result(task("\"resultType\":\"task\",", "working", "")))
        .method("tasks/get", get)
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["job"]).await?;
    let client = Modern::with(&gateway.endpoint("corp"), able(forms()));
    let id = made(&client, "job", json!({})).await?;
    Ok((backend, gateway, client, id))
}

fn task(before: &str, status: &str, after: &str) -> String {
    let members = r#""createdAt":"x","lastUpdatedAt":"x","ttlMs":1,"pollIntervalMs":1,"more":1.50"#;
    format!(r#"{{{before}"taskId":"own-1","status":"{status}",{members}{after}}}"#)
}

fn seen(status: &str, after: &str) -> Behaviour {
    Behaviour::Result(task("\"resultType\":\"complete\",", status, after))
}

#[tokio::test]
async fn listener_is_told_how_its_tasks_are_until_they_are_over() -> Result<()> {
    for era in [Era::Modern, Era::Dual] {
        let pair = Pair::start(era).await?;
        let client = Modern::with(&pair.endpoint(), able(forms()));
        let id = made(&client, "slow_compute", json!({ "seconds": 600 })).await?;
        let (mut stream, covered) = listen(&client, &[&id, &json!("invented"), &id, &json!(7)]).await?;
        assert_eq!(covered, json!({ "taskIds": [id] }));
        assert_eq!(told(&mut stream, &id).await?["status"], "working", "as it is when it begins");
        client.call("tasks/cancel", json!({ "taskId": id })).await?.result()?;
        assert_eq!(told(&mut stream, &id).await?["status"], "cancelled");

        let id = made(&client, "confirm_delete", json!({ "filename": "a.txt" })).await?;
        let (mut stream, _) = listen(&client, &[&id]).await?;
        let asks = told_until(&mut stream, &id, "input_required").await?;
        let message = &asks["inputRequests"]["confirm"]["params"]["message"];
        assert_eq!(message, "[fixture] Delete a.txt?", "judged as in the answer to `tasks/get`");
        let answer = json!({ "confirm": { "action": "accept", "content": { "confirm": true } } });
        client.call("tasks/update", json!({ "taskId": id, "inputResponses": answer })).await?.result()?;
        let done = told_until(&mut stream, &id, "completed").await?;
        assert_eq!(text(&done["result"]), "a.txt: deleted");
    }
    Ok(())
}

#[tokio::test]
async fn listener_is_told_of_a_task_that_a_legacy_server_has() -> Result<()> {
    let address = gateway::free_port();
    let mut command = Command::new(tools::node());
    command.arg(tools::npm("@modelcontextprotocol/server-everything/dist/index.js")).arg("streamableHttp");
    command.env("PORT", address.port().to_string()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = command.spawn().context("run `make setup`")?;
    eventually("the reference server listens", || async {
        Ok(tokio::net::TcpStream::connect(address).await.ok().map(drop))
    })
    .await?;
    let gateway = Gateway::start(&corp(&[plain("everything", &format!("http://{address}/mcp"))])).await?;
    listed(&gateway.endpoint("corp"), &[RESEARCH]).await?;
    let client = Modern::with(&gateway.endpoint("corp"), able(json!({})));
    let id = made(&client, RESEARCH, json!({ "topic": "cats" })).await?;
    let (mut stream, covered) = listen(&client, &[&id]).await?;
    assert_eq!(covered, json!({ "taskIds": [id] }));
    let done = told_until(&mut stream, &id, "completed").await?;
    ensure!(text(&done["result"]).contains("Research Report"), "{done}");
    ensure!(done.get("ttlMs").is_some() && done.get("ttl").is_none(), "{done}");
    Ok(())
}

#[tokio::test]
async fn nobody_can_listen_to_the_tasks_of_others() -> Result<()> {
    let idp = Idp::start().await?;
    let settings = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let fixture = FixtureServer::start(Era::Modern).await?;
    let gateway = Gateway::start(&corp_with(&settings, &[plain("fixture", &fixture.url())])).await?;
    let endpoint = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&endpoint("alice"), &["slow_compute"]).await?;
    let of = |name: &str| Modern::with(&endpoint(name), able(json!({})));
    let id = made(&of("alice"), "slow_compute", json!({ "seconds": 600 })).await?;
    let mut tampered = id.as_str().context("no id")?.to_owned();
    let other = if &tampered[30..31] == "A" { "B" } else { "A" };
    tampered.replace_range(30..31, other);
    let (mut stream, covered) = listen(&of("alice"), &[&json!(tampered), &id]).await?;
    assert_eq!(covered, json!({ "taskIds": [id] }));
    told(&mut stream, &id).await?;
    let long = json!("x".repeat(10_000));
    let (_, covered) = listen(&of("bob"), &[&id, &json!(tampered), &json!("invented"), &long]).await?;
    assert_eq!(covered, json!({ "taskIds": [] }));
    of("alice").call("tasks/cancel", json!({ "taskId": id })).await?.result()?;
    Ok(())
}

#[tokio::test]
async fn who_does_not_understand_tasks_is_told_of_none() -> Result<()> {
    let (backend, gateway, client, id) = server(seen("working", "")).await?;
    let (_, covered) = listen(&Modern::new(&gateway.endpoint("corp")), &[&id]).await?;
    assert_eq!(covered, json!({ "taskIds": [] }));
    assert_eq!(backend.ledger().of("tasks/get").len(), 0);
    let (_, covered) = listen(&client, &[&id]).await?;
    assert_eq!(covered, json!({ "taskIds": [id] }), "but who does is");
    Ok(())
}

#[tokio::test]
async fn only_what_changed_is_told_under_the_clients_own_id() -> Result<()> {
    let said = r#","statusMessage":"halfway""#;
    let done = r#","result":{"content":[],"resultType":"complete"}"#;
    let states = vec![
        seen("working", ""),
        seen("working", ""),
        seen("working", ""),
        seen("working", said),
        seen("completed", done),
    ];
    let (backend, _gateway, client, id) = server(Behaviour::sequence(states)).await?;
    let (mut stream, _) = listen(&client, &[&id]).await?;
    let mut news = Vec::new();
    for _ in 0..3 {
        news.push(told(&mut stream, &id).await?);
    }
    let statuses: Vec<_> = news.iter().map(|task| (&task["status"], &task["statusMessage"])).collect();
    let (working, none) = (json!("working"), Value::Null);
    assert_eq!(
        statuses,
        [(&working, &none), (&working, &json!("halfway")), (&json!("completed"), &none)],
        "{news:?}"
    );
    ensure!(!format!("{news:?}").contains("own-1"), "{news:?}");
    assert_eq!(backend.ledger().of("tasks/get").len(), 5, "one that is over is not asked about again");
    Ok(())
}

#[tokio::test]
async fn question_that_must_not_be_asked_is_not_told() -> Result<()> {
    let form = r#"{"type":"object","properties":{"password":{"type":"string"}}}"#;
    let asks = format!(
        r#","inputRequests":{{"k":{{"method":"elicitation/create","params":{{"mode":"form","message":"?","requestedSchema":{form}}}}}}}"#
    );
    let done = r#","result":{"content":[],"resultType":"complete"}"#;
    let states = vec![seen("working", ""), seen("input_required", &asks), seen("completed", done)];
    let (_backend, _gateway, client, id) = server(Behaviour::sequence(states)).await?;
    let (mut stream, _) = listen(&client, &[&id]).await?;
    let first = told(&mut stream, &id).await?;
    assert_eq!(first["status"], "completed", "{first}");
    Ok(())
}

#[tokio::test]
async fn task_that_its_server_forgot_or_mistakes_is_not_listened_to() -> Result<()> {
    let other = task("", "working", "").replace("own-1", "own-2");
    let twice = task("", "working", r#","status":"completed""#);
    let asked = task("", "completed", r#","result":{"resultType":"input_required"}"#);
    for get in [
        Behaviour::Error(r#"{"code":-32602,"message":"no task own-1"}"#.to_owned()),
        Behaviour::Result(other),
        Behaviour::Result(twice),
        Behaviour::Result(asked),
        Behaviour::Result(r#"{"resultType":"complete"}"#.to_owned()),
    ] {
        let (backend, _gateway, client, id) = server(get).await?;
        let (_, covered) = listen(&client, &[&id]).await?;
        assert_eq!(covered, json!({ "taskIds": [] }));
        assert_eq!(backend.ledger().of("tasks/get").len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn server_is_left_alone_when_nobody_listens_any_more() -> Result<()> {
    let never = Gate::default();
    let states = vec![seen("working", ""), seen("working", ""), seen("working", "").held(&never)];
    let (backend, _gateway, client, id) = server(Behaviour::sequence(states)).await?;
    let (mut stream, _) = listen(&client, &[&id]).await?;
    told(&mut stream, &id).await?;
    backend.ledger().wait_for(|ledger| ledger.of("tasks/get").len() == 3).await?;
    assert_eq!(backend.ledger().hung_up(), 0);
    drop(stream);
    backend.ledger().wait_for(|ledger| ledger.hung_up() == 1).await
}

#[tokio::test]
async fn as_many_tasks_are_listened_to_as_the_bound_allows() -> Result<()> {
    let fixture = FixtureServer::start(Era::Modern).await?;
    let sections = corp(&[plain("fixture", &fixture.url())]);
    let limits = "limits: { subscriptions_per_session: 2 }\n";
    let gateway = Gateway::start(&format!("{limits}{sections}")).await?;
    listed(&gateway.endpoint("corp"), &["slow_compute"]).await?;
    let client = Modern::with(&gateway.endpoint("corp"), able(json!({})));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(made(&client, "slow_compute", json!({ "seconds": 600 })).await?);
    }
    let (_, covered) = listen(&client, &ids.iter().collect::<Vec<_>>()).await?;
    assert_eq!(covered, json!({ "taskIds": ids[..2] }));
    Ok(())
}
