//! A handle on the gateway binary: writes a configuration, starts `portcullis serve`, waits until it is ready, keeps
//! what it logged, and ends its own child, and only that, when dropped.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::client::Endpoint;
use crate::tools;

#[cfg(test)]
mod tests;

/// Longest a start may take on a loaded machine before the test gives up.
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// A second start with other ports when somebody else took one in between.
const TRIES: usize = 3;
/// Below the range from which the kernel takes ports for outgoing connections.
const PORTS: std::ops::Range<u32> = 20_000..30_000;

/// A running gateway process.
pub struct Gateway {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
    folder: Arc<TempDir>,
    log: Log,
}

type Log = Arc<Mutex<String>>;

impl Gateway {
    /// Starts a process with the given `gateways:` section (and whatever other top-level keys it brings).
    pub async fn start(sections: &str) -> anyhow::Result<Self> {
        Self::start_in(Arc::new(tempfile::tempdir()?), sections, &[]).await
    }

    /// Starts with environment variables besides the usual ones.
    pub async fn start_with_env(sections: &str, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_in(Arc::new(tempfile::tempdir()?), sections, env).await
    }

    /// Starts a process in the folder of one that ran before, so that it finds what that one stored.
    pub async fn start_in(
        folder: Arc<TempDir>,
        sections: &str,
        env: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let (data, admin) = (free_port(), free_port());
            match Self::launch(folder.clone(), sections, env, data, admin).await {
                Ok(gateway) => return Ok(gateway),
                Err(error) if error.to_string().contains("in use") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no free port")))
    }

    async fn launch(
        folder: Arc<TempDir>,
        sections: &str,
        env: &[(&str, &str)],
        data: SocketAddr,
        admin: SocketAddr,
    ) -> anyhow::Result<Self> {
        let config = folder.path().join("portcullis.yaml");
        std::fs::write(&config, compose(data, admin, sections))?;
        let mut command = command(folder.path());
        command.arg("serve").arg("-c").arg(&config).envs(env.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| missing(&tools::gateway_binary()))?;
        let log = Log::default();
        keep(child.stdout.take(), log.clone());
        keep(child.stderr.take(), log.clone());
        let mut gateway = Self { child, data, admin, folder, log };
        gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    /// Waits for the process's own word: whoever answers at its ports may be another that was quicker to take one.
    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        let announced =
            format!("portcullis: listening on http://{}, admin on http://{}\n", self.data, self.admin);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                sleep(POLL).await;
                bail!("the gateway ended with {status}:\n{}", self.log());
            }
            if self.log().contains(&announced) {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!("the gateway did not become ready:\n{}", self.log())
    }

    /// The endpoint of a gateway.
    pub fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint::new(self.data, &format!("/{name}/mcp"))
    }

    /// The admin listener.
    pub fn admin(&self) -> Endpoint {
        Endpoint::new(self.admin, "/")
    }

    /// The data plane's address.
    pub fn address(&self) -> SocketAddr {
        self.data
    }

    /// The folder with its configuration and its data; kept while somebody holds it.
    pub fn folder(&self) -> Arc<TempDir> {
        self.folder.clone()
    }

    /// The process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// A line of `/proc/PID/status` in KiB: `VmRSS` is what it holds now, `VmHWM` the most it ever held.
    pub fn memory_kib(&self, line: &str) -> anyhow::Result<u64> {
        let pid = self.pid().context("the gateway is gone")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let value = value.with_context(|| format!("no {line} in {status}"))?;
        value.trim().trim_end_matches("kB").trim().parse().context(line.to_owned())
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All it printed so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the sections of the configuration file, which makes the process reload.
    pub fn rewrite(&self, sections: &str) -> anyhow::Result<()> {
        let file = self.folder.path().join("portcullis.yaml");
        let next = self.folder.path().join("portcullis.yaml.next");
        std::fs::write(&next, compose(self.data, self.admin, sections))?;
        std::fs::rename(&next, &file).context("replacing the configuration")
    }

    /// Waits until `done` says so about the log.
    pub async fn wait_for_log(&self, done: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            if done(&self.log()) {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!("the log never said what was expected:\n{}", self.log())
    }

    /// Sends SIGTERM and does not wait.
    pub async fn ask_to_stop(&self) -> anyhow::Result<()> {
        let pid = self.pid().context("already over")?.to_string();
        Command::new("kill").arg("-TERM").arg(pid).status().await?;
        Ok(())
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        tokio::time::timeout(START, self.child.wait()).await.context("still running")?.context("waiting")
    }

    /// Sends SIGTERM and waits.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.ask_to_stop().await?;
        self.ended().await
    }
}

/// What a run of the binary that ends by itself left behind.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a verb of the binary to its end.
pub async fn run(folder: &Path, arguments: &[&str]) -> anyhow::Result<Outcome> {
    let mut command = command(folder);
    command.args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(START, command.output())
        .await
        .context("the command did not end")?
        .with_context(|| missing(&tools::gateway_binary()))?;
    Ok(Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(tools::gateway_binary());
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn missing(binary: &Path) -> String {
    format!("{} cannot be started: run `make build`, or set PORTCULLIS_BIN", binary.display())
}

fn compose(data: SocketAddr, admin: SocketAddr, sections: &str) -> String {
    format!("listen: {data}\nadmin: {{ listen: {admin} }}\ndata_dir: ./data\n{sections}")
}

fn keep(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, log: Log) {
    let Some(pipe) = pipe else { return };
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// A loopback port nobody listens on. Ports are handed out once per process, starting somewhere that differs
/// between processes.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let span = PORTS.end - PORTS.start;
    let first = std::process::id().wrapping_mul(97) % span;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first + step) % span;
        let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A path inside the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
