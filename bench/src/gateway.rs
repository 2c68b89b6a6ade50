//! The gateway under test: its configuration, its process, and when it is ready to be measured.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use memchr::memmem;
use tempfile::TempDir;

use crate::backend::tools::{SERVERS, TOOLS};
use crate::process::Process;
use crate::wire::{Blocking, Era, Place, Template};

/// For a list to be complete after a start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a configuration and what the gateway keeps beside it.
pub struct Home {
    binary: PathBuf,
    folder: TempDir,
}

/// The gateways of the configuration; each shows one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// In front of a modern server.
    Modern,
    /// In front of a legacy server.
    Legacy,
    /// In front of ten servers.
    Merged,
    /// In front of a modern server, for callers with a token.
    Guarded,
    /// In front of a modern server whose list changes.
    LiveModern,
    /// In front of a legacy one.
    LiveLegacy,
}

impl Front {
    /// What is measured against direct and floor.
    pub const ALL: [Self; 4] = [Self::Modern, Self::Legacy, Self::Merged, Self::Guarded];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
            Self::Merged => "merged",
            Self::Guarded => "guarded",
            Self::LiveModern => "live-modern",
            Self::LiveLegacy => "live-legacy",
        }
    }

    /// The tools it lists.
    fn tools(self) -> usize {
        match self {
            Self::Merged => SERVERS * TOOLS,
            _ => TOOLS,
        }
    }

    fn yaml(self, backend: SocketAddr) -> String {
        let inbound = if self == Self::Guarded { "{ jwt: { issuer: dev } }" } else { "none" };
        let era = if matches!(self, Self::Legacy | Self::LiveLegacy) { "legacy" } else { "modern" };
        let path = if matches!(self, Self::LiveModern | Self::LiveLegacy) { "/live/mcp" } else { "/mcp" };
        let names: Vec<_> = match self {
            Self::Merged => (0..SERVERS).map(|server| format!("t{server}")).collect(),
            _ => vec!["one".to_owned()],
        };
        let targets: String = names
            .iter()
            .map(|name| {
                format!("      {name}: {{ mcp: {{ url: \"http://{backend}{path}\", era: {era} }} }}\n")
            })
            .collect();
        let head = "    streaming: true\n    sessions: { timeout: 1h }\n";
        format!("  {}:\n{head}    inbound: {inbound}\n    targets:\n{targets}", self.name())
    }
}

impl Home {
    /// Writes a configuration with these gateways in front of the backend.
    pub fn new(binary: &Path, fronts: &[Front], backend: SocketAddr) -> anyhow::Result<Self> {
        let binary = std::path::absolute(binary)?;
        let home = Self { binary, folder: TempDir::with_prefix("portcullis-bench-")? };
        let gateways: String = fronts.iter().map(|front| front.yaml(backend)).collect();
        let data = home.folder.path().join("data");
        // The port of the public URL is a name only: tokens are issued for it, clients connect where the gateway says.
        let config = format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\npublic_url: http://127.0.0.1:8642\n\
             data_dir: {}\nlimits: {{ sessions: 100000, sessions_per_principal: 100000, streams: 100000, \
             streams_per_principal: 100000, connections: 100000 }}\ngateways:\n{gateways}",
            data.display()
        );
        std::fs::write(home.config(), config)?;
        // Not beside the configuration: the gateway watches that folder for changes.
        std::fs::create_dir(home.folder.path().join("logs"))?;
        Ok(home)
    }

    /// Starts the gateway; answers as soon as it says where it listens.
    pub fn start(&self) -> anyhow::Result<Gateway> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.binary);
        command.args(["serve", "-c"]).arg(self.config()).stderr(log.try_clone()?);
        let mut process = Process::start("gateway", &mut command)?;
        let line = process.line().with_context(|| format!("its log ends so:\n{}", self.end_of_log()))?;
        let (data, admin) = line
            .strip_prefix("portcullis: listening on http://")
            .and_then(|rest| rest.split_once(", admin on http://"))
            .with_context(|| format!("the gateway said `{line}`"))?;
        Ok(Gateway { process, data: data.parse()?, admin: admin.parse()?, log })
    }

    /// A token for the guarded gateway.
    pub fn token(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.binary)
            .args(["token", "--sub", "bench", "--lifetime", "8h", "-c"])
            .arg(self.config())
            .output()?;
        if !output.status.success() {
            bail!("`portcullis token` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("portcullis.yaml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("logs").join("gateway.log")
    }

    /// The end of the log, for an error that has to be explained.
    fn end_of_log(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// A running gateway.
pub struct Gateway {
    /// The process.
    pub process: Process,
    /// Where clients connect.
    pub data: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    log: File,
}

impl Gateway {
    /// The endpoint of one of its gateways.
    pub fn place(&self, front: Front) -> Place {
        Place::new(self.data, &format!("/{}/mcp", front.name()))
    }

    /// Empties the log: it is written as in production, but not kept.
    pub fn forget_log(&self) -> anyhow::Result<()> {
        Ok(self.log.set_len(0)?)
    }

    /// Waits until a gateway lists all it should.
    pub fn wait_for(&self, front: Front, token: Option<&str>) -> anyhow::Result<()> {
        let place = Place { token: token.map(str::to_owned), ..self.place(front) };
        let mut list = Template::list(Era::Modern, &place, None);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = listed(place.addr, &mut list)?;
            if listed == front.tools() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "gateway {} lists {listed} of {} tools after {PATIENCE:?}",
                    front.name(),
                    front.tools()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// How many tools a list has.
fn listed(addr: SocketAddr, list: &mut Template) -> anyhow::Result<usize> {
    let mut connection = Blocking::open(addr)?;
    let reply = connection.exchange(list.next())?;
    reply.expect_result(list.id())?;
    Ok(memmem::find_iter(reply.body, br#""inputSchema""#).count())
}
