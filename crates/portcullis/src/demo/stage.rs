//! Everything a demo consists of, started in the order in which one part needs another.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clock::Clock;
use net::Drain;
use samples::server::http::Endpoint;
use samples::{finance, legal};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::Url;

use super::client::{Client, Reply, Until, Values};
use super::folder::Folder;
use super::people::{People, Who};
use super::tour;
use crate::environment;
use crate::failure::Failure;
use crate::serve::Running;

const CONFIG: &str = include_str!("demo.yaml");
/// What the readme, the documentation and other programs expect: data plane, admin.
const USUAL: [&str; 2] = ["127.0.0.1:8642", "127.0.0.1:8643"];
const FREE: [&str; 2] = ["127.0.0.1:0", "127.0.0.1:0"];
/// For all servers to have been listed once.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// On which ports the gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// 8642 and 8643.
    Usual,
    /// Whichever are free.
    Free,
}

/// A running demo.
pub struct Stage {
    /// The gateway's endpoint.
    pub url: String,
    /// Its admin listener.
    pub admin: String,
    /// The configuration file.
    pub config: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// Where the legal sample is.
    pub legal: Url,
    /// Where the finance sample is.
    pub finance: Url,
    /// The users, with tokens.
    pub people: People,
    /// Asks the gateway.
    pub client: Client,
    running: Running,
    samples: Drain,
}

impl Stage {
    /// Starts the samples and the gateway; returns when each server's tools can be seen through it.
    ///
    /// # Errors
    /// A port is taken, or a part cannot be started.
    pub async fn build(folder: &Folder, ports: Ports) -> Result<Self, Failure> {
        let listen = match ports {
            Ports::Usual => USUAL.map(is_free).into_iter().collect::<Result<Vec<_>, _>>()?,
            Ports::Free => FREE.to_vec(),
        };
        let bind =
            || Endpoint::bind().map_err(|error| Failure::of("a sample server cannot be started", &error));
        let (legal_at, finance_at) = (bind()?, bind()?);
        let (legal_url, finance_url) = (legal_at.url().clone(), finance_at.url().clone());
        let samples = Drain::new(Duration::ZERO);
        tokio::spawn(legal::serve(legal_at, samples.clone()));

        let program =
            std::env::current_exe().map_err(|error| Failure::of("this program cannot be found", &error))?;
        let config = write_config(folder.path(), &program, &listen, [&legal_url, &finance_url])?;
        let clock = Clock::system();
        let running = Running::start(environment::load(&config)?.snapshot, clock.clone())?;
        let snapshot = running.house.snapshot();
        let issuer = format!("{}/sts", snapshot.public_url.as_str().trim_end_matches('/'));
        let failed = |error: &dyn std::fmt::Display| Failure::of("the demo cannot be put together", error);
        let issuer = Url::parse(&issuer).map_err(|error| failed(&error))?;
        // Clients of this socket have waited until now: who may come in was not known before the gateway had its port.
        let finance = finance::serve(finance_at, &issuer, clock.clone(), samples.clone());
        tokio::spawn(finance.map_err(|error| failed(&error))?);

        let gateway = snapshot.gateways.first().ok_or_else(|| failed(&"it has no gateway"))?;
        let url = gateway.url(&snapshot.public_url);
        let people = People::with_tokens(&running.house, &url, clock.now())?;
        let stage = Self {
            client: Client::new(&url).map_err(|error| failed(&error))?,
            admin: format!("http://{}", running.admin_addr),
            url,
            config,
            program,
            legal: legal_url,
            finance: finance_url,
            people,
            running,
            samples,
        };
        match stage.until_complete().await {
            Ok(()) => Ok(stage),
            Err(failure) => {
                stage.close().await;
                Err(failure)
            }
        }
    }

    /// Ends everything.
    pub async fn close(self) {
        self.running.drain.begin();
        self.running.finished().await;
        self.samples.cut_now();
    }

    /// The gateway serves before its catalogue is complete; the first thing a visitor sees should be all of it.
    async fn until_complete(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let list = tour::list(Who::Alice);
        loop {
            let mut answer = self.client.send(&list, &self.people, &Values::new()).await?;
            let reply = answer.read(Until::End).await?;
            let missing = missing(&reply);
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Failure::of(
                    "these servers cannot be seen through the gateway",
                    &missing.join(", "),
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// The targets of which the list has no tool.
fn missing(reply: &Reply) -> Vec<&'static str> {
    let names = tour::tools(reply);
    let absent = |target: &&str| !names.iter().any(|name| name.starts_with(&format!("{target}___")));
    ["legal", "finance", "operations"].into_iter().filter(absent).collect()
}

/// Somebody else's port would be found out by the gateway too, but with less to say about it.
fn is_free(address: &'static str) -> Result<&'static str, Failure> {
    let found = TcpListener::bind(address);
    let advice =
        "stop what listens there (another demo, a gateway?); `portcullis demo --check` uses free ports";
    found
        .map(|_| address)
        .map_err(|error| Failure::of(format!("the demo needs {address}"), &format!("{error}; {advice}")))
}

fn write_config(
    folder: &Path,
    program: &Path,
    listen: &[&str],
    [legal, finance]: [&Url; 2],
) -> Result<PathBuf, Failure> {
    // A JSON string is a YAML string, whatever is in it.
    let quoted = |text: &str| Value::from(text).to_string();
    let text = [
        ("@listen@", listen[0].to_owned()),
        ("@admin@", listen[1].to_owned()),
        ("@data_dir@", quoted(&folder.join("data").to_string_lossy())),
        ("@legal@", quoted(legal.as_str())),
        ("@finance@", quoted(finance.as_str())),
        ("@portcullis@", quoted(&program.to_string_lossy())),
    ]
    .into_iter()
    .fold(CONFIG.to_owned(), |text, (mark, value)| text.replace(mark, &value));
    let path = folder.join("portcullis.yaml");
    let failed = |error| Failure::of(format!("{} cannot be written", path.display()), &error);
    std::fs::write(&path, text).map_err(failed)?;
    Ok(path)
}
