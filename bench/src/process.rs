//! Child processes, and what the kernel says about them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// For a process to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(20);

/// A child process; killed when dropped.
pub struct Process {
    name: &'static str,
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Backend and floor end when this is closed.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts a command. Its standard error goes where the command says.
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("the {name} cannot be started"))?;
        let stdout = child.stdout.take().with_context(|| format!("the {name} has no standard output"))?;
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdout: BufReader::new(stdout), _stdin: stdin })
    }

    /// Starts this binary in another role.
    pub fn role(name: &'static str, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start(name, Command::new(std::env::current_exe()?).args(arguments))
    }

    /// The next line it prints.
    pub fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            bail!("the {} ended before it said where it listens", self.name);
        }
        Ok(line.trim_end().to_owned())
    }

    /// User and system time it has used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(self.file("stat"))?;
        // The second field is the name, which may hold anything; fields 14 and 15 are the times (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no name in it")?;
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Memory it holds now, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most it has held since [`Process::reset_peak`], in bytes.
    pub fn peak(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// Counts the peak from now on.
    pub fn reset_peak(&self) -> anyhow::Result<()> {
        fs::write(self.file("clear_refs"), "5").context("/proc/PID/clear_refs cannot be written")
    }

    /// Ends it with SIGTERM and waits.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    bail!("the {} ended with {status}", self.name)
                };
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the {} did not end within {PATIENCE:?} after SIGTERM", self.name)
    }

    fn status(&self, key: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(self.file("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .context("/proc/PID/status says nothing of memory")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
