//! Client SDKs that we did not write, as they are published, and what their callers get to see.
#![expect(deprecated, reason = "sampling and roots are deprecated and have to work all the same")]

use anyhow::{Result, ensure};
use e2e::{Pair, corp, corp_with, listed, plain, target, text};
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, Implementation, ListRootsResult, ProtocolVersion,
    ReadResourceRequestParams, Root, SamplingMessage,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ErrorData, RoleClient, ServiceError, ServiceExt};
use serde_json::{Value, json};
use testkit::client::{MODERN, Modern};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::{self, Gateway};
use testkit::hostile::{Behaviour, Hostile};
use testkit::sdk::Sdk;

fn plan() -> Value {
    json!([
        {"list": "tools"},
        {"list": "prompts"},
        {"list": "resources"},
        {"call": "greet", "arguments": {"name": "SDK"}},
        {"call": "test_error_handling"},
        {"prompt": "test_prompt_with_arguments", "arguments": {"arg1": "1", "arg2": "2"}},
        {"read": "test://static-text"},
    ])
}

fn verify(sdk: Sdk, report: &Value) -> Result<()> {
    let step = |at: usize| report["steps"][at]["ok"].clone();
    ensure!(step(0)["tools"].as_array().is_some_and(|tools| tools.len() > 30), "{sdk:?}: {report}");
    ensure!(step(1)["prompts"].as_array().is_some_and(|prompts| prompts.len() == 5), "{sdk:?}: {report}");
    ensure!(
        step(2)["resources"].as_array().is_some_and(|resources| resources.len() >= 3),
        "{sdk:?}: {report}"
    );
    ensure!(text(&step(3)) == "Hello, SDK!", "{sdk:?}: {report}");
    ensure!(step(4)["isError"] == true, "{sdk:?}: {report}");
    ensure!(
        step(5)["messages"][0]["content"]["text"].as_str().is_some_and(|text| text.contains("arg1='1'")),
        "{report}"
    );
    ensure!(step(6)["contents"][0]["uri"] == "test://static-text", "{sdk:?}: {report}");
    Ok(())
}

#[tokio::test]
async fn every_sdk_reaches_servers_of_every_era() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        for sdk in Sdk::ALL {
            let report = sdk.run(&pair.endpoint().url(), &plan(), &["--mode", "auto"]).await?;
            let expected = if sdk.is_modern() { MODERN } else { "2025-11-25" };
            assert_eq!(report["protocol"], expected, "{sdk:?}");
            verify(sdk, &report)?;
        }
        for sdk in [Sdk::PythonV2, Sdk::TypeScriptV2] {
            let report = sdk.run(&pair.endpoint().url(), &plan(), &["--mode", "legacy"]).await?;
            assert_eq!(report["protocol"], "2025-11-25", "{sdk:?}");
            verify(sdk, &report)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_sdk_comes_in_with_a_token() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = "    inbound: { jwt: { issuer: dev } }\n    streaming: true\n    sessions: {}\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    let token =
        gateway::run(gateway.folder().path(), &["token", "--sub", "alice"]).await?.stdout.trim().to_owned();
    listed(&gateway.endpoint("corp").as_bearer(&token), &["greet"]).await?;
    for sdk in Sdk::ALL {
        let plan = json!([{"call": "greet", "arguments": {"name": "token"}}]);
        let report = sdk.run(&gateway.endpoint("corp").url(), &plan, &["--token", &token]).await?;
        assert_eq!(text(&report["steps"][0]["ok"]), "Hello, token!", "{sdk:?}");
        ensure!(
            sdk.run(&gateway.endpoint("corp").url(), &plan, &[]).await.is_err(),
            "{sdk:?} without a token"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_gateways_sentences_reach_the_caller() -> Result<()> {
    let backend = Hostile::modern()
        .tool("dies", Behaviour::HangUp)
        .tool("breaks", Behaviour::body("not json"))
        .tool("refuses", Behaviour::Error(r#"{"code":-31000,"message":"the ledger is locked"}"#.to_owned()))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["dies", "breaks", "refuses"]).await?;
    let plan = json!([{"call": "dies"}, {"call": "breaks"}, {"call": "refuses"}, {"call": "no_such_tool"}]);
    let client = Modern::new(&gateway.endpoint("corp"));
    let mut sentences = Vec::new();
    for step in plan.as_array().into_iter().flatten() {
        let call = json!({"name": step["call"], "arguments": {}});
        sentences.push(client.call("tools/call", call).await?.error_message()?);
    }
    for sdk in Sdk::ALL {
        let report = sdk.run(&gateway.endpoint("corp").url(), &plan, &[]).await?;
        for (at, sentence) in sentences.iter().enumerate() {
            let shown = report["steps"][at].to_string();
            let unquoted = Value::String(sentence.clone()).to_string();
            ensure!(shown.contains(unquoted.trim_matches('"')), "{sdk:?} shows {shown}, not {sentence}");
        }
    }
    let rust = ().serve(StreamableHttpClientTransport::from_uri(gateway.endpoint("corp").url())).await?;
    for (step, sentence) in plan.as_array().into_iter().flatten().zip(&sentences) {
        let name = step["call"].as_str().unwrap_or_default().to_owned();
        match rust.call_tool(CallToolRequestParams::new(name)).await {
            Err(ServiceError::McpError(error)) => {
                ensure!(error.message.contains(sentence.as_str()), "{error:?}")
            }
            other => anyhow::bail!("rmcp shows {other:?}, not {sentence}"),
        }
    }
    rust.cancel().await?;
    Ok(())
}

#[tokio::test]
async fn the_rust_sdk_lists_calls_and_reads() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let client = ().serve(StreamableHttpClientTransport::from_uri(pair.endpoint().url())).await?;
        ensure!(client.list_all_tools().await?.len() > 30);
        ensure!(client.list_all_prompts().await?.len() == 5);
        let arguments = json!({"name": "Rust"}).as_object().cloned().unwrap_or_default();
        let greeting =
            client.call_tool(CallToolRequestParams::new("greet").with_arguments(arguments)).await?;
        assert_eq!(text(&json!(greeting)), "Hello, Rust!");
        let read = client.read_resource(ReadResourceRequestParams::new("test://static-text")).await?;
        assert_eq!(json!(read)["contents"][0]["uri"], "test://static-text");
        client.cancel().await?;
    }
    Ok(())
}

/// A person with a model and a home.
struct Person;

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities: ClientCapabilities =
            serde_json::from_value(json!({"elicitation": {"form": {}}, "sampling": {}, "roots": {}}))
                .expect("these are capabilities");
        ClientConfig::new(capabilities, Implementation::new("person", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "Rust"})))
    }

    async fn create_message(
        &self,
        _request: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("Hi."), "m".to_owned()))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///home/rust")]))
    }
}

#[tokio::test]
async fn the_rust_sdk_is_asked_in_both_eras_by_servers_of_both() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let fixture = FixtureServer::start(era).await?;
        let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none, sampling: {{}}", fixture.url());
        let gateway = Gateway::start(&corp(&[target("fixture", &settings)])).await?;
        listed(&gateway.endpoint("corp"), &["greet"]).await?;
        let modern =
            ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        for lifecycle in [ClientLifecycleMode::Initialize, modern] {
            let transport = StreamableHttpClientTransport::from_uri(gateway.endpoint("corp").url());
            let client = Person.serve_with_lifecycle(transport, lifecycle.clone()).await?;
            let call = CallToolRequestParams::new("test_input_required_result_multiple_inputs");
            let said = json!(client.call_tool(call).await?);
            for word in ["Rust", "Hi.", "file:///home/rust"] {
                ensure!(text(&said).contains(word), "{era:?} {lifecycle:?}: {said}");
            }
            client.cancel().await?;
        }
    }
    Ok(())
}
