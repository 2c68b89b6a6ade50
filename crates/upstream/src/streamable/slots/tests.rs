use std::sync::Arc;

use identity::{Principal, Verified};
use mcp::{Raw, Version};
use tokio_util::sync::CancellationToken;

use super::super::endpoint::Endpoint;
use super::*;
use crate::{Abilities, Deps, ServerFacts};

fn principal(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

fn of_client(subject: &str, client: u64) -> Affinity {
    Affinity::Session(principal(subject), SessionKey(client), Abilities::NONE)
}

fn bounds(total: usize, per_principal: usize) -> Bounds {
    Bounds { total, per_principal }
}

fn endpoint() -> Arc<Endpoint> {
    let url: url::Url = "http://127.0.0.1:1/mcp".parse().unwrap();
    let target = config::Target {
        name: "files".to_owned(),
        transport: config::Transport::Http { url: url.clone(), era: config::Era::Legacy },
        listing: config::Listing::Default,
        prefix: config::Prefix::Target,
        resource_priority: 1000,
        outbound: config::Outbound::None,
        sampling: None,
        roots: Vec::new(),
        refresh: Duration::from_secs(300),
        call_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
    };
    let tls = net::Tls::new(None).unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let sts = broker::Sts::open(data_dir.path(), &url).unwrap();
    let deps = Deps {
        client: net::Client::operator(net::Guard::default(), tls, &net::ClientOptions::default()),
        broker: Arc::new(broker::Broker::new(sts)),
        clock: clock::Clock::system(),
        limits: config::Limits::default(),
        shutdown: CancellationToken::new(),
    };
    Arc::new(Endpoint::new(target, url.as_str(), deps))
}

/// Puts a session that was used just now in this place.
fn open(slots: &mut Slots, endpoint: &Arc<Endpoint>, affinity: Affinity) {
    let facts = ServerFacts {
        version: Version::V2025_11_25,
        capabilities: Raw::parse("{}").unwrap(),
        info: None,
        instructions: None,
    };
    let session = Arc::new(Session::new(endpoint, None, facts, None));
    slots.place(affinity).lock().session = Some(session);
}

#[tokio::test(start_paused = true)]
async fn a_session_left_behind_by_its_client_ends_in_the_end() {
    let (mut slots, endpoint) = (Slots::default(), endpoint());
    let (client, own) = (of_client("alice", 1), Affinity::Principal(principal("alice"), Abilities::NONE));
    open(&mut slots, &endpoint, client);
    open(&mut slots, &endpoint, own);
    tokio::time::advance(IDLE).await;
    assert_eq!(slots.take_idle().len(), 1);
    assert!(slots.get(&own).is_none() && slots.get(&client).is_some());
    tokio::time::advance(ABANDONED - IDLE).await;
    assert_eq!(slots.take_idle().len(), 1);
    assert!(slots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_place_in_use_never_gives_way() {
    let (mut slots, endpoint) = (Slots::default(), endpoint());
    let mut used = Vec::new();
    for client in 1..=2 {
        let affinity = of_client("alice", client);
        open(&mut slots, &endpoint, affinity);
        used.push(slots.place(affinity).lock().session.clone());
    }
    assert!(matches!(slots.make_room(&of_client("alice", 3), bounds(9, 2)), Err(Full::Principal)));
    assert!(matches!(slots.make_room(&of_client("bob", 4), bounds(2, 9)), Err(Full::Total)));
    tokio::time::advance(ABANDONED).await;
    assert!(slots.take_idle().is_empty());
    used.pop();
    assert!(matches!(slots.make_room(&of_client("alice", 3), bounds(9, 2)), Ok(Some(_))));
    assert!(slots.get(&of_client("alice", 2)).is_none());
}

#[test]
fn a_place_without_a_session_gives_way_first_but_not_for_anothers_share() {
    let mut slots = Slots::default();
    slots.place(of_client("alice", 1));
    slots.place(of_client("bob", 2));
    assert!(matches!(slots.make_room(&of_client("bob", 3), bounds(9, 1)), Ok(None)));
    assert!(slots.get(&of_client("alice", 1)).is_some() && slots.get(&of_client("bob", 2)).is_none());
    slots.place(of_client("bob", 3));
    assert!(matches!(slots.make_room(&of_client("carol", 4), bounds(2, 9)), Ok(None)));
    assert_eq!(slots.of_callers(), 1);
}

#[test]
fn nothing_is_put_in_the_place_of_a_client_session_that_is_over() {
    let mut slots = Slots::default();
    let opening = slots.place(of_client("alice", 1));
    let other = slots.place(of_client("alice", 2));
    assert!(slots.end_client(SessionKey(1)).is_empty());
    assert!(opening.lock().ended.is_some() && other.lock().ended.is_none());
    assert!(slots.get(&of_client("alice", 1)).is_none());
    slots.end_all();
    assert!(other.lock().ended.is_some() && slots.is_empty());
}

#[test]
fn ends_of_client_sessions_without_a_place_do_not_look_through_all_places() {
    let mut slots = Slots::default();
    (0..50_000).for_each(|client| drop(slots.place(of_client("alice", client))));
    for unknown in 50_000..100_000 {
        assert!(slots.end_client(SessionKey(unknown)).is_empty());
    }
    assert_eq!(slots.of_callers(), 50_000);
}
