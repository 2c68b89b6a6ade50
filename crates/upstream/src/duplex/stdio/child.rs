//! One child process: started, fed, read, and ended.
//!
//! A task of its own owns the process and outlives the connection by the time it takes to end it, so that no zombie and
//! no grandchild stays behind.

use std::process::Stdio as Pipe;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::framing::{LineError, Lines, Written, write_line};
use super::stderr::LastLine;
use super::{environment, stderr, stop};
use crate::UpstreamError;
use crate::duplex::link::{End, INCOMING_MAX, Incoming, Link, OUTGOING_MAX, Outgoing, Tally};

/// How long the output of a process that has ended is still read. Whatever it started may hold the pipe open for ever.
const DRAIN: Duration = Duration::from_millis(500);

/// What is run, and the bounds on it.
#[derive(Clone, Debug)]
pub(in crate::duplex) struct Program {
    /// The target's name, for the log.
    pub(in crate::duplex) server: Arc<str>,
    pub(in crate::duplex) stdio: config::Stdio,
    /// One message, in bytes.
    pub(in crate::duplex) line_max: usize,
    /// Nesting of JSON, in levels.
    pub(in crate::duplex) depth_max: usize,
    /// How long the child may leave its stdin unread.
    pub(in crate::duplex) stall: Duration,
    pub(in crate::duplex) tally: Arc<Tally>,
}

/// Starts the process; answers with what it prints last on stderr, too. `place` is held until it has ended and was reaped; `tasks` can wait for that.
///
/// # Errors
/// The program cannot be run.
pub(in crate::duplex) fn spawn(
    program: &Program,
    place: Option<OwnedSemaphorePermit>,
    tasks: &TaskTracker,
) -> Result<(Link, LastLine), UpstreamError> {
    let mut child = command(&program.stdio).spawn().map_err(|error| cannot_run(program, &error))?;
    let (Some(stdin), Some(stdout), Some(printed)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(UpstreamError::Unreachable("the child has no pipes".to_owned()));
    };
    let pid = child.id();
    tracing::debug!(target.name = %program.server, pid, "started the child process");
    let stop = CancellationToken::new();
    let deaf = CancellationToken::new();
    let last = LastLine::new(environment::secrets(&program.stdio));
    let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
    let (tell, incoming) = mpsc::channel(INCOMING_MAX);
    let keeper = Keeper {
        server: program.server.clone(),
        group: pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)),
        child,
        reader: tokio::spawn(read(stdout, program.clone(), tell.clone())),
        tell,
        stop: stop.clone(),
        deaf: deaf.clone(),
        _place: place,
        stderr: AbortOnDropHandle::new(tokio::spawn(log_stderr(printed, program, last.clone()))),
        last: last.clone(),
    };
    tokio::spawn(write(stdin, to_write, program.stall, (stop.clone(), deaf)));
    tasks.spawn(keeper.keep());
    Ok((Link { server: program.server.clone(), outgoing, incoming, stop }, last))
}

fn command(stdio: &config::Stdio) -> Command {
    let mut command = Command::new(&stdio.command);
    command
        .args(&stdio.args)
        .env_clear()
        .envs(environment::of(stdio, |name| std::env::var_os(name)))
        .stdin(Pipe::piped())
        .stdout(Pipe::piped())
        .stderr(Pipe::piped())
        .process_group(0)
        // The last resort, when the runtime goes away under us.
        .kill_on_drop(true);
    if let Some(directory) = &stdio.cwd {
        command.current_dir(directory);
    }
    command
}

fn cannot_run(program: &Program, error: &std::io::Error) -> UpstreamError {
    let command = &program.stdio.command;
    let directory = program.stdio.cwd.as_ref().map_or_else(
        || "the folder that the gateway was started in".to_owned(),
        |directory| format!("`{}`", directory.display()),
    );
    UpstreamError::Unreachable(format!(
        "cannot start `{command}` in {directory}: {error}; check `command`, `cwd` and PATH"
    ))
}

/// Owns the process from start to end.
struct Keeper {
    server: Arc<str>,
    child: Child,
    group: Option<Pid>,
    reader: JoinHandle<End>,
    tell: mpsc::Sender<Incoming>,
    stop: CancellationToken,
    /// Its stdin cannot be written any more, usually because it has ended.
    deaf: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
    stderr: AbortOnDropHandle<()>,
    last: LastLine,
}

impl Keeper {
    async fn keep(mut self) {
        let end = tokio::select! {
            end = &mut self.reader => Some(end.unwrap_or_else(|_| End::Closed("its output was not read".to_owned()))),
            _ = self.child.wait() => None,
            () = self.stop.cancelled() => None,
        };
        let asked = self.stop.is_cancelled() && !self.deaf.is_cancelled();
        let read_to_end = end.is_some();
        // The writer closes stdin on this.
        self.stop.cancel();
        // Whoever waits for an answer learns it before the process is cleared away.
        if let Some(end) = end {
            let end = if asked { end } else { self.explained(end).await };
            self.tell(end).await;
        }
        let ended_by_itself = matches!(self.child.try_wait(), Ok(Some(_)));
        if !read_to_end && ended_by_itself {
            let end = self.drain().await;
            let end = self.explained(end).await;
            self.tell(end).await;
        }
        let status = stop::stop(&mut self.child, self.group).await;
        let status = status.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
        if !read_to_end && !ended_by_itself {
            let end = self.drain().await;
            let end = if asked { end } else { self.explained(end).await };
            self.tell(end).await;
        }
        // Who needed it is told, and reports an end that was not asked for.
        tracing::debug!(target.name = %self.server, %status, asked, "the child process ended");
    }

    /// The end of a process that was not asked to end, with its exit status and its last words, as far as they can be
    /// had at once.
    async fn explained(&mut self, end: End) -> End {
        let End::Closed(why) = end else { return end };
        let deadline = Instant::now() + DRAIN;
        let why = match timeout_at(deadline, self.child.wait()).await {
            Ok(Ok(status)) => {
                // What it started may hold the pipe open.
                let _ = timeout_at(deadline, &mut self.stderr).await;
                format!("it ended ({status})")
            }
            _ => why,
        };
        End::Closed(format!("{why}{}", self.last.quoted().unwrap_or_default()))
    }

    /// What the process still wrote before it ended.
    async fn drain(&mut self) -> End {
        let end = timeout(DRAIN, &mut self.reader).await;
        self.reader.abort();
        match end {
            Ok(Ok(end)) => end,
            _ => End::Closed("the process ended".to_owned()),
        }
    }

    async fn tell(&self, end: End) {
        // The connection may be gone already; then there is nobody to tell.
        let _ = self.tell.send(Incoming::Ended(end)).await;
    }
}

async fn read<R>(stdout: R, program: Program, tell: mpsc::Sender<Incoming>) -> End
where
    R: AsyncRead + Unpin,
{
    let mut lines = Lines::new(stdout, program.line_max);
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return End::Closed("it closed its stdout".to_owned()),
            Err(LineError::TooLong(max)) => {
                tracing::warn!(target.name = %program.server, max, "a line on stdout is too long; the child is stopped");
                return End::TooLarge(max);
            }
            Err(LineError::Io(error)) => return End::Closed(format!("its stdout cannot be read: {error}")),
        };
        let length = line.len();
        let Some(incoming) = Incoming::read(line, program.depth_max) else {
            if program.tally.count_noise() == 0 {
                tracing::warn!(
                    target.name = %program.server, length,
                    "a line on stdout is no JSON-RPC message and was skipped; further ones are only counted"
                );
            }
            continue;
        };
        if tell.send(incoming).await.is_err() {
            return End::Closed("the gateway ended the connection".to_owned());
        }
    }
}

/// The only one that writes, so that no two messages mix.
async fn write<W>(
    mut stdin: W,
    mut outgoing: mpsc::Receiver<Outgoing>,
    stall: Duration,
    (stop, deaf): (CancellationToken, CancellationToken),
) where
    W: AsyncWrite + Unpin,
{
    let work = async {
        while let Some(Outgoing { text, request, .. }) = outgoing.recv().await {
            if request.as_ref().is_some_and(|waiter| !waiter.begin_write()) {
                continue;
            }
            let written = write_line(&mut stdin, text, stall).await;
            match (&written, &request) {
                (Written::Whole, Some(waiter)) => waiter.written(),
                (Written::Nothing, Some(waiter)) => waiter.nothing_written(),
                _ => {}
            }
            if written != Written::Whole {
                deaf.cancel();
                return;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
    stop.cancel();
}

fn log_stderr<R>(stderr: R, program: &Program, last: LastLine) -> impl Future<Output = ()> + use<R>
where
    R: AsyncRead + Unpin,
{
    let server = program.server.clone();
    stderr::capture(stderr, last, move |line| tracing::info!(target.name = %server, "stderr: {line}"))
}
