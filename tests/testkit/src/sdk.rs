//! Runs the SDK clients of other languages against a URL and gives back what they showed their caller.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::tools;

const PATIENCE: Duration = Duration::from_secs(120);

/// A client SDK that we did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// PyPI `mcp` 1.x.
    PythonV1,
    /// PyPI `mcp` 2.x.
    PythonV2,
    /// npm `@modelcontextprotocol/sdk` 1.x.
    TypeScriptV1,
    /// npm `@modelcontextprotocol/client` 2.x.
    TypeScriptV2,
}

impl Sdk {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PythonV1, Self::PythonV2, Self::TypeScriptV1, Self::TypeScriptV2];

    fn program(self, script: &str) -> Command {
        let (program, script) = match self {
            Self::PythonV1 => (tools::python("v1"), format!("python/{script}_v1.py")),
            Self::PythonV2 => (tools::python("v2"), format!("python/{script}_v2.py")),
            Self::TypeScriptV1 => (tools::node(), format!("typescript/{script}_v1.mjs")),
            Self::TypeScriptV2 => (tools::node(), format!("typescript/{script}_v2.mjs")),
        };
        let mut command = Command::new(program);
        command.arg(tools::client(&script)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Whether it speaks 2026-07-28.
    pub fn is_modern(self) -> bool {
        matches!(self, Self::PythonV2 | Self::TypeScriptV2)
    }

    /// Runs a plan (see `tests/clients/python/client_v2.py`) and gives the report: `protocol` and `steps`.
    pub async fn run(self, url: &str, plan: &Value, options: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.program("client");
        command.arg(url).arg(plan.to_string()).args(options);
        self.report(&mut command).await
    }

    /// Goes through the features of the matrix (see `tests/clients/python/matrix.py`) and gives a report per URL.
    pub async fn matrix(self, version: &str, key: &str, urls: &[String]) -> anyhow::Result<Value> {
        let mut command = self.program("matrix");
        command.args([version, key]).args(urls);
        self.report(&mut command).await
    }

    /// The last line of JSON that a script printed.
    async fn report(self, command: &mut Command) -> anyhow::Result<Value> {
        let text = output(command).await.with_context(|| format!("{self:?}"))?;
        let line = text.lines().rfind(|line| line.starts_with(['{', '[']));
        Ok(serde_json::from_str(line.with_context(|| format!("{self:?}: {text}"))?)?)
    }
}

/// Runs the Inspector's command line mode and gives what it printed.
pub async fn inspector(url: &str, arguments: &[&str]) -> anyhow::Result<Value> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new(tools::node());
    command.arg(tools::npm("@modelcontextprotocol/inspector/clients/launcher/build/index.js"));
    command.args(["--cli", url]).args(arguments).env("HOME", home.path());
    let text = output(&mut command).await.context("the Inspector")?;
    serde_json::from_str(&text).with_context(|| text)
}

async fn output(command: &mut Command) -> anyhow::Result<String> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, running).await.context("did not end")?;
    let output = output.context("cannot be started: run `make setup`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{}:\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}
