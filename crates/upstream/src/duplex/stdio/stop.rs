//! The end of a child process: asked first, told next, and then ended, with everything it started.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

/// From the end of its stdin until SIGTERM (MCP, Lifecycle, Shutdown over stdio).
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// From SIGTERM until SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(3);
/// How often a group is looked at whose leader is gone.
const LOOK: Duration = Duration::from_millis(20);

/// Ends a child whose stdin is closed, or about to be, and its whole process group. Returns when the child was reaped.
pub(super) async fn stop(child: &mut Child, group: Option<Pid>) -> Option<ExitStatus> {
    let status = match timeout(CLOSE_GRACE, child.wait()).await {
        Ok(status) => status.ok(),
        Err(_) => terminate(child, group).await,
    };
    if let Some(group) = group {
        clear(group).await;
    }
    status
}

async fn terminate(child: &mut Child, group: Option<Pid>) -> Option<ExitStatus> {
    signal(group, Signal::TERM);
    if let Ok(status) = timeout(TERM_GRACE, child.wait()).await {
        return status.ok();
    }
    signal(group, Signal::KILL);
    // Where the group could not be signalled, the child itself still can.
    let _ = child.start_kill();
    child.wait().await.ok()
}

/// What a leader leaves behind when it ends. As long as a member of the group lives, the system gives its number to no
/// new process.
async fn clear(group: Pid) {
    if test_kill_process_group(group).is_err() {
        return;
    }
    signal(Some(group), Signal::TERM);
    let deadline = Instant::now() + TERM_GRACE;
    while test_kill_process_group(group).is_ok() && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    signal(Some(group), Signal::KILL);
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // An error means that nobody is left.
        let _ = kill_process_group(group, signal);
    }
}
