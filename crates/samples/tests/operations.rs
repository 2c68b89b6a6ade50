//! The operations sample, through a pipe.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use portcullis_samples::operations;
use portcullis_samples::server::stdio;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::task::JoinHandle;

struct Child {
    stdin: WriteHalf<DuplexStream>,
    stdout: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    served: JoinHandle<std::io::Result<()>>,
}

fn start() -> Child {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (input, output) = split(theirs);
    let served = tokio::spawn(stdio::serve(operations::sample(), input, output));
    let (read, stdin) = split(ours);
    Child { stdin, stdout: BufReader::new(read).lines(), served }
}

impl Child {
    async fn write(&mut self, message: Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.stdout.next_line().await.unwrap().expect("a line")).unwrap()
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.write(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        self.next().await
    }

    /// Ends the input; answers what was still written, once the server has ended.
    async fn rest(mut self) -> Vec<Value> {
        self.stdin.shutdown().await.unwrap();
        let mut rest = Vec::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        self.served.await.unwrap().unwrap();
        rest
    }
}

fn modern(mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    params
}

fn run(seconds: u64, meta: Value) -> Value {
    json!({
        "name": "run_runbook", "arguments": { "runbook": "restart-checkout", "seconds": seconds }, "_meta": meta,
    })
}

fn methods(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["method"].as_str().unwrap_or("answer")).collect()
}

#[tokio::test]
async fn speaks_either_era() {
    let mut child = start();
    let discovered = child.ask(1, "server/discover", modern(json!({}))).await;
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(discovered["result"]["cacheScope"], "public");
    let initialized = child.ask(2, "initialize", json!({ "protocolVersion": "2025-11-25" })).await;
    assert_eq!(initialized["result"]["protocolVersion"], "2025-11-25");
    let capabilities =
        json!({ "tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {} });
    assert_eq!(initialized["result"]["capabilities"], capabilities);
    let listed = child.ask(3, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 3);
    assert!(listed["result"].get("resultType").is_none());
    let listed = child.ask(4, "tools/list", modern(json!({}))).await;
    assert_eq!(listed["result"]["resultType"], "complete");
    for (params, code) in [(json!({}), -32601), (modern(json!({})), -32601)] {
        assert_eq!(child.ask(5, "tasks/list", params).await["error"]["code"], code);
    }
    assert_eq!(child.ask(6, "ping", json!({})).await["result"], json!({}));
    assert!(child.rest().await.is_empty());
}

#[tokio::test]
async fn refuses_a_later_revision_and_what_is_no_message() {
    let mut child = start();
    let mut params = modern(json!({}));
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2027-01-01".into();
    let refused = child.ask(1, "tools/list", params).await;
    assert_eq!(refused["error"]["code"], -32022);
    assert_eq!(refused["error"]["data"]["supported"], json!(["2026-07-28"]));
    child.stdin.write_all(b"\n{\"jsonrpc\n[]\n").await.unwrap();
    let refused = child.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32700)));
    assert_eq!(child.next().await["error"]["code"], -32600);
}

#[tokio::test(start_paused = true)]
async fn a_runbook_reports_progress_and_logs_until_it_is_done() {
    let mut child = start();
    let params = modern(run(5, json!({ "progressToken": 7, "io.modelcontextprotocol/logLevel": "info" })));
    child.write(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })).await;
    let mut messages = vec![child.next().await];
    while messages.last().unwrap().get("id").is_none() {
        messages.push(child.next().await);
    }
    let progress: Vec<&Value> =
        messages.iter().filter(|one| one["method"] == "notifications/progress").collect();
    let done: Vec<u64> = progress.iter().map(|one| one["params"]["progress"].as_u64().unwrap()).collect();
    assert_eq!(done, [0, 1, 2, 3, 4, 5]);
    assert!(progress.iter().all(|one| one["params"]["progressToken"] == 7 && one["params"]["total"] == 5));
    let logs: Vec<&Value> = messages.iter().filter(|one| one["method"] == "notifications/message").collect();
    assert_eq!(logs.len(), 5);
    assert!(
        logs.iter().all(|one| one["params"]["level"] == "info" && one["params"]["logger"] == "operations")
    );
    assert_eq!(messages.last().unwrap()["result"]["structuredContent"]["seconds"], 5);
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_unasked() {
    let mut child = start();
    // Modern clients ask for log messages with each request, legacy ones once and for all.
    child
        .write(
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": modern(run(2, json!({}))) }),
        )
        .await;
    assert_eq!(child.next().await["id"], 1);
    child.ask(2, "initialize", json!({ "protocolVersion": "2025-11-25" })).await;
    assert_eq!(child.ask(3, "logging/setLevel", json!({ "level": "warning" })).await["result"], json!({}));
    assert_eq!(child.ask(4, "logging/setLevel", json!({ "level": "loud" })).await["error"]["code"], -32602);
    child
        .write(json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": run(2, json!({})) }))
        .await;
    assert_eq!(child.next().await["id"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_runbook_is_not_answered() {
    let mut child = start();
    let params = modern(run(600, json!({ "progressToken": "t" })));
    child.write(json!({ "jsonrpc": "2.0", "id": "one", "method": "tools/call", "params": params })).await;
    assert_eq!(child.next().await["method"], "notifications/progress");
    let cancelled = json!({ "requestId": "one", "reason": "changed my mind" });
    child.write(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled })).await;
    // Requests are read in order: once this is answered, the other is gone.
    child.write(json!({ "jsonrpc": "2.0", "id": "two", "method": "ping" })).await;
    while child.next().await["id"] != "two" {}
    let rest = child.rest().await;
    assert!(methods(&rest).iter().all(|method| *method == "notifications/progress"), "{rest:?}");
    assert!(rest.len() < 3, "{rest:?}");
}

#[tokio::test]
async fn answers_what_was_asked_before_the_input_ended() {
    let mut child = start();
    for id in 0..20 {
        child.write(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "list_incidents" } })).await;
    }
    let mut ids: Vec<u64> = child.rest().await.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_the_server_with_an_error() {
    let mut child = start();
    let long = vec![b' '; (1 << 20) + 2];
    // The server may have closed its end before all was written.
    let _ = child.stdin.write_all(&long).await;
    let ended = child.served.await.unwrap();
    assert!(ended.unwrap_err().to_string().contains("longer than"));
}

#[tokio::test]
async fn incidents_are_read_by_template_and_summed_up_by_a_prompt() {
    let mut child = start();
    child.ask(1, "initialize", json!({ "protocolVersion": "2025-11-25" })).await;
    let read = child.ask(2, "resources/read", json!({ "uri": "incident://INC-4711" })).await;
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("INC-4711 (critical, open) checkout"), "{text}");
    let prompt = json!({ "name": "incident_summary", "arguments": { "incident_id": "INC-4702" } });
    let got = child.ask(3, "prompts/get", prompt).await;
    assert!(got["result"]["messages"][0]["content"]["text"].as_str().unwrap().contains("INC-4702"));
    let wrong = json!({ "name": "incident_summary", "arguments": {} });
    assert_eq!(child.ask(4, "prompts/get", wrong).await["error"]["code"], -32602);
}
