//! Ends an answer over HTTP/2 that its client does not take.
//!
//! HTTP/2 has a window per stream, and a client that never opens it holds its answer for as long as it likes while the
//! socket looks healthy. Only that stream is reset: behind a proxy the others may belong to somebody else.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

tokio::task_local! {
    static PACE: Pace;
}

/// How far the answer of the stream that is being polled has come.
#[derive(Default)]
struct Pace {
    pieces: Cell<u64>,
    in_hand: Cell<bool>,
}

/// Notes that a piece of the answer has been handed to the connection, which keeps it until the window opens.
pub(super) fn piece_handed_out() {
    // Over HTTP/1.1 there is no window and nothing to note.
    let _ = PACE.try_with(|pace| {
        pace.pieces.set(pace.pieces.get() + 1);
        pace.in_hand.set(true);
    });
}

/// Notes that the connection asks for more, so that what it had is on its way.
pub(super) fn piece_gone() {
    let _ = PACE.try_with(|pace| pace.in_hand.set(false));
}

/// Runs the streams of HTTP/2 connections, each for as long as its client takes the answer.
#[derive(Clone)]
pub(super) struct Streams {
    stall_max: Duration,
}

impl Streams {
    /// `stall_max`: how long a client may take nothing of an answer that waits for it.
    pub(super) fn new(stall_max: Duration) -> Self {
        Self { stall_max }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(PACE.scope(Pace::default(), while_taken(stream, self.stall_max)));
    }
}

/// Polls `stream` to its end, or drops it, which resets it, once a piece has been in hand for `stall_max`.
async fn while_taken(stream: impl Future<Output = ()>, stall_max: Duration) {
    let mut stream = pin!(stream);
    // Only a stream that waits for its window has a timer; most never do.
    let mut timer = pin!(None::<Sleep>);
    let mut timed = 0;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(piece) = PACE.with(|pace| pace.in_hand.get().then(|| pace.pieces.get())) else {
            timer.set(None);
            timed = 0;
            return Poll::Pending;
        };
        if timed != piece {
            timer.set(Some(sleep(stall_max)));
            timed = piece;
        }
        let stalled = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready());
        if !stalled {
            return Poll::Pending;
        }
        tracing::debug!(?stall_max, "a client takes nothing of its answer; the stream is reset");
        Poll::Ready(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    async fn run(stream: impl Future<Output = ()>) {
        PACE.scope(Pace::default(), while_taken(stream, STALL)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_that_is_not_taken_ends_the_stream() {
        run(async {
            piece_handed_out();
            std::future::pending::<()>().await;
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_slowly_goes_on() {
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        run(async {
            for _ in 0..10 {
                piece_handed_out();
                sleep(STALL * 9 / 10).await;
                piece_gone();
            }
            ended.send(()).unwrap();
        })
        .await;
        has_ended.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_there_yet_may_take_its_time() {
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        run(async {
            sleep(STALL * 100).await;
            piece_handed_out();
            piece_gone();
            sleep(STALL * 100).await;
            ended.send(()).unwrap();
        })
        .await;
        has_ended.await.unwrap();
    }
}
