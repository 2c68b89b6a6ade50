//! A body somebody feeds from another task, bounded in frames and in bytes.
//!
//! A slow reader makes the feeder wait; nothing grows without bound and nothing is dropped.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

/// How much a channel body may hold between its feeder and the socket.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Frames waiting, at least 1.
    pub frames: usize,
    /// Bytes waiting, at least 1. A single frame larger than this waits until the channel is empty and then passes alone.
    pub bytes: u32,
}

impl Default for Bounds {
    /// 64 frames and 1 MiB.
    fn default() -> Self {
        Self { frames: 64, bytes: 1024 * 1024 }
    }
}

/// The reader of the body has gone away; nothing that is sent will arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side closed the connection before the whole body was sent")]
pub struct Gone;

/// Feeds a [`Body`](super::Body). Dropping it ends the body.
#[derive(Debug)]
pub struct BodySender {
    frames: mpsc::Sender<Bytes>,
    budget: Arc<Semaphore>,
    budget_max: u32,
}

impl BodySender {
    /// Hands over one frame, waiting while the channel is full. An empty frame is skipped.
    ///
    /// # Errors
    /// [`Gone`] when the reader went away before or while waiting.
    pub async fn send(&self, frame: Bytes) -> Result<(), Gone> {
        if frame.is_empty() {
            return if self.is_closed() { Err(Gone) } else { Ok(()) };
        }
        let permit = self.budget.acquire_many(cost(&frame, self.budget_max)).await.map_err(|_| Gone)?;
        self.frames.send(frame).await.map_err(|_| Gone)?;
        permit.forget();
        Ok(())
    }

    /// Resolves when the reader has gone away. Cancel safe.
    pub async fn closed(&self) {
        self.frames.closed().await;
    }

    /// Whether the reader has gone away.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.frames.is_closed()
    }
}

pub(super) struct Receiver {
    frames: mpsc::Receiver<Bytes>,
    budget: Arc<Semaphore>,
    budget_max: u32,
}

impl Receiver {
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let frame = std::task::ready!(self.frames.poll_recv(cx));
        if let Some(frame) = &frame {
            self.budget.add_permits(cost(frame, self.budget_max) as usize);
        }
        Poll::Ready(frame)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // A feeder that waits for bytes must wake as one that waits for a slot does.
        self.budget.close();
    }
}

pub(super) fn channel(bounds: Bounds) -> (BodySender, Receiver) {
    let budget_max = bounds.bytes.max(1);
    let budget = Arc::new(Semaphore::new(budget_max as usize));
    let (sender, receiver) = mpsc::channel(bounds.frames.max(1));
    (
        BodySender { frames: sender, budget: budget.clone(), budget_max },
        Receiver { frames: receiver, budget, budget_max },
    )
}

fn cost(frame: &Bytes, budget_max: u32) -> u32 {
    u32::try_from(frame.len()).unwrap_or(u32::MAX).min(budget_max)
}
