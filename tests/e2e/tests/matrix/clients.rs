//! Who takes part, in which versions, and how each is run.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use serde::Deserialize;
use testkit::sdk::Sdk;

use super::backends;
use super::cannot;
use super::feature::{Cell, Feature, Seen};
use super::rust_client;

/// Versions every SDK speaks.
const LEGACY: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
const MODERN: &str = testkit::client::MODERN;

/// A client library.
#[derive(Clone, Copy)]
pub enum Client {
    /// `rmcp`, in this process.
    Rust,
    /// A process per version.
    Sdk(Sdk),
}

/// Every client with every version it speaks. Generation 1 of both SDKs ends at 2025-11-25 (`LATEST_PROTOCOL_VERSION`).
pub fn all() -> Vec<(Client, &'static str)> {
    let clients = [Client::Rust].into_iter().chain(Sdk::ALL.map(Client::Sdk));
    let speaks = |client: Client| LEGACY.into_iter().chain(client.is_modern().then_some(MODERN));
    clients.flat_map(|client| speaks(client).map(move |version| (client, version))).collect()
}

impl Client {
    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rmcp",
            Self::Sdk(Sdk::PythonV1) => "python v1",
            Self::Sdk(Sdk::PythonV2) => "python v2",
            Self::Sdk(Sdk::TypeScriptV1) => "typescript v1",
            Self::Sdk(Sdk::TypeScriptV2) => "typescript v2",
        }
    }

    fn is_modern(self) -> bool {
        match self {
            Self::Rust => true,
            Self::Sdk(sdk) => sdk.is_modern(),
        }
    }

    /// What names the calls and the resources of this client: the fixtures are shared by all.
    fn key(self, version: &str) -> String {
        format!("{}-{version}", self.name().replace(' ', "-"))
    }

    /// Goes through all features on every backend.
    pub async fn run(self, version: &str, urls: &[String]) -> Result<Vec<Report>> {
        let key = self.key(version);
        let reports: Vec<Report> = match self {
            Self::Rust => rust_client::run(version, &key, urls).await,
            Self::Sdk(sdk) => serde_json::from_value(sdk.matrix(version, &key, urls).await?)?,
        };
        ensure!(reports.len() == backends::NAMES.len(), "{} reports", reports.len());
        Ok(reports)
    }
}

/// What a client saw at one backend.
#[derive(Debug, Default, Deserialize)]
pub struct Report {
    /// The version it agreed on.
    pub protocol: Option<String>,
    /// By the name of the feature.
    pub cells: HashMap<String, Seen>,
    /// Why it could not even begin.
    pub failed: Option<String>,
}

impl Report {
    /// What this says about a feature.
    pub fn judge(&self, feature: Feature, client: Client, version: &str, backend: usize) -> Cell {
        let Some(seen) = self.cells.get(feature.name()) else {
            return Cell::Failed(format!("the client never came to it: {:?}", self.failed));
        };
        if self.protocol.as_deref() != Some(version) {
            return Cell::Failed(format!("the client speaks {:?}", self.protocol));
        }
        let verdict = feature.verify(seen, &format!("{}-{backend}", client.key(version)));
        match (cannot::fact(feature, version), verdict) {
            (None, Ok(())) => Cell::Ok,
            (None, Err(error)) => Cell::Failed(format!("{error:#}; the client saw {seen:?}")),
            (Some(fact), Err(_)) if seen.was_refused() => Cell::Cannot(fact.short),
            (Some(fact), _) => Cell::Failed(format!(
                "expected a refusal, and that nobody is asked, for {}; the client saw {seen:?}",
                fact.because
            )),
        }
    }
}
