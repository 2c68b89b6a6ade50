//! The task of one connection: it owns the open requests.
//!
//! It waits for the transport, for new requests and for requests that were given up, and never for anything else: a
//! server that does not read and a client that does not listen hold up nobody but themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcp::{Body, Message, Payload};
use tokio::sync::{Notify, broadcast, mpsc};

use super::link::{End, Incoming, Link, Outgoing, Tally};
use super::table::{Heard, Left, Table};
use super::waiter::GivenUp;
use crate::params;

/// See the module.
pub(super) struct Task {
    requests: mpsc::Receiver<Outgoing>,
    link: Link,
    table: Table,
    tally: Arc<Tally>,
    given_up: Arc<Notify>,
    /// Counts what the server sends.
    heard: Arc<AtomicU64>,
}

/// What there is to write, with the room to write it.
enum Work {
    Request(Outgoing, mpsc::OwnedPermit<Outgoing>),
    Cancel(u64, mpsc::OwnedPermit<Outgoing>),
    /// Every handle is gone.
    Unwanted,
}

impl Task {
    pub(super) fn new(
        link: Link,
        requests: mpsc::Receiver<Outgoing>,
        table: Table,
        given_up: Arc<Notify>,
        heard: Arc<AtomicU64>,
    ) -> Self {
        let tally = table.tally().clone();
        Self { requests, link, table, tally, given_up, heard }
    }

    /// Works until the transport ends; answers why it did. Sends what belongs to no call to `changes`.
    pub(super) async fn run(mut self, changes: broadcast::Sender<Heard>) -> End {
        // However this task ends, its transport ends with it.
        let _stop = self.link.stop.clone().drop_guard();
        let end = loop {
            let work = tokio::select! {
                biased;
                incoming = self.link.incoming.recv() => match incoming {
                    None => break End::Closed("the connection has ended".to_owned()),
                    Some(Incoming::Ended(end)) => break end,
                    Some(incoming) => {
                        self.take_in(incoming, &changes);
                        continue;
                    }
                },
                work = next_work(&mut self.requests, &mut self.table, &self.link.outgoing, &self.given_up) => work,
            };
            match work {
                Work::Request(outgoing, room) => {
                    if let Some(waiter) = &outgoing.request {
                        self.table.open(waiter.clone());
                    }
                    room.send(outgoing);
                }
                Work::Cancel(id, room) => {
                    let text = params::notification("notifications/cancelled", params::of_cancelled(id));
                    room.send(own(text));
                }
                Work::Unwanted => break End::Closed("the gateway ended the connection".to_owned()),
            }
        };
        self.finish(&end);
        end
    }

    fn take_in(&mut self, incoming: Incoming, changes: &broadcast::Sender<Heard>) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        match incoming {
            Incoming::Body(Body::Single(message)) => self.sort(message, changes),
            Incoming::Body(Body::Batch(messages)) => {
                for message in messages {
                    match message {
                        Ok(message) => self.sort(message, changes),
                        Err(_) => self.tally.count_stray(),
                    }
                }
            }
            Incoming::Broken(malformed) => self.table.broken(&malformed),
            Incoming::Undelivered(waiter, error) => self.table.undelivered(&waiter, error),
            Incoming::Ended(_) => {}
        }
    }

    fn sort(&mut self, message: Message, changes: &broadcast::Sender<Heard>) {
        match self.table.sort(message) {
            Left::Nothing => {}
            // A server that asks faster than it reads gets no answer: nothing may pile up here.
            Left::Answer(text) => {
                if self.link.outgoing.try_send(own(text)).is_err() {
                    self.tally.count_stray();
                }
            }
            // Nobody watching is no error.
            Left::Heard(heard) => drop(changes.send(heard)),
        }
    }

    /// Tells every request, those still in the mailbox included.
    fn finish(&mut self, end: &End) {
        self.requests.close();
        while let Ok(outgoing) = self.requests.try_recv() {
            if let Some(waiter) = outgoing.request {
                waiter.fail(|_| end.error(GivenUp::Unsent));
            }
        }
        self.table.end(end);
    }
}

/// The next thing to write. Cancel safe: nothing is taken before there is room for it.
async fn next_work(
    requests: &mut mpsc::Receiver<Outgoing>,
    table: &mut Table,
    outgoing: &mpsc::Sender<Outgoing>,
    given_up: &Notify,
) -> Work {
    // The transport has stopped writing; it will say why.
    let Ok(room) = outgoing.clone().reserve_owned().await else { return std::future::pending().await };
    loop {
        while let Some((id, how_far)) = table.take_given_up() {
            if how_far == GivenUp::Sent {
                return Work::Cancel(id, room);
            }
        }
        tokio::select! {
            // In the order in which it happened: whoever gave up and asks again has its old request cancelled first.
            biased;
            () = given_up.notified() => table.note_given_up(),
            request = requests.recv() => return match request {
                Some(outgoing) if unwanted(&outgoing) => continue,
                Some(outgoing) => Work::Request(outgoing, room),
                None => Work::Unwanted,
            },
        }
    }
}

fn unwanted(outgoing: &Outgoing) -> bool {
    outgoing.request.as_ref().is_some_and(|waiter| waiter.given_up().is_some())
}

/// A message of the gateway's own.
fn own(text: Payload) -> Outgoing {
    Outgoing { text, request: None, principal: None }
}
