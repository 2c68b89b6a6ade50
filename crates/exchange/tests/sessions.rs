//! Sessions are bounded in number and time, belong to whoever opened them, and end with all that runs in them.

#![expect(clippy::unwrap_used, reason = "a test may stop where its premises do not hold")]

use std::time::Duration;

use identity::{Principal, PrincipalKey, Verified};
use mcp::{Id, IdKey, Raw, Version};
use portcullis_exchange::{Bounds, Hello, ResumeBounds, SessionError, Sessions, StreamBounds};
use tokio::time::advance;
use upstream::{InboxBounds, Level, Logs};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const STREAMS: StreamBounds = StreamBounds {
    resume: ResumeBounds { per_session: 4096, per_principal: 4096, total: 8192 },
    inbox: InboxBounds { notices: 16, bytes: 4096 },
};
const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(3600),
    idle: MINUTE,
    total: 3,
    per_principal: 2,
    questions: 5,
    streams: STREAMS,
};

fn who(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

fn id(text: &str) -> IdKey {
    Raw::parse(text).and_then(|text| Id::of(&text)).and_then(|id| id.key()).unwrap()
}

fn hello(version: Version, capabilities: &str) -> Hello {
    let capabilities = Raw::parse(capabilities).unwrap();
    let abilities = upstream::Abilities::of(&capabilities);
    Hello { version, capabilities, abilities, info: Raw::parse(r#"{"name":"x"}"#) }
}

#[tokio::test(start_paused = true)]
async fn one_principal_holds_no_more_than_its_share_and_all_together_no_more_than_there_are() {
    let sessions = Sessions::new(BOUNDS);
    for _ in 0..2 {
        sessions.open(who("alice")).unwrap();
    }
    assert_eq!(sessions.open(who("alice")).unwrap_err(), SessionError::TooManyOfOne);
    let (theirs, _) = sessions.open(who("bob")).unwrap();
    assert_eq!(sessions.open(who("bob")).unwrap_err(), SessionError::TooMany);
    assert_eq!(sessions.len(), 3);
    assert!(sessions.close(&theirs, who("bob")).is_some());
    assert!(sessions.open(who("bob")).is_ok(), "an ended session makes room");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_over_make_room_when_it_is_needed() {
    let sessions = Sessions::new(BOUNDS);
    let mut old = Vec::new();
    for name in ["alice", "alice", "bob"] {
        old.push(sessions.open(who(name)).unwrap());
    }
    assert_eq!(sessions.open(who("alice")).unwrap_err(), SessionError::TooManyOfOne);
    assert_eq!(sessions.open(who("carol")).unwrap_err(), SessionError::TooMany);
    advance(MINUTE + SECOND).await;
    assert!(sessions.open(who("alice")).is_ok());
    assert!(sessions.open(who("carol")).is_ok());
    assert_eq!(sessions.len(), 2, "those that were over are gone");
    for (id, session) in &old {
        assert!(session.ended().is_cancelled());
        assert!(sessions.find(id, session.principal()).is_none());
    }
    let mut ended: Vec<_> = sessions.reap().iter().map(|session| session.key().0).collect();
    ended.sort_unstable();
    let mut expected: Vec<_> = old.iter().map(|(_, session)| session.key().0).collect();
    expected.sort_unstable();
    assert_eq!(ended, expected, "what hangs on them can still be released");
    assert!(sessions.reap().is_empty(), "once");
}

#[tokio::test(start_paused = true)]
async fn reaping_ends_what_is_over_once_and_nothing_else() {
    let sessions = Sessions::new(BOUNDS);
    let (_, unused) = sessions.open(who("alice")).unwrap();
    let (used_id, used) = sessions.open(who("bob")).unwrap();
    advance(MINUTE).await;
    assert!(sessions.find(&used_id, who("bob")).is_some());
    assert!(sessions.reap().is_empty(), "the whole idle time counts as alive");
    advance(SECOND).await;
    let over = sessions.reap();
    assert_eq!(over.iter().map(|session| session.key()).collect::<Vec<_>>(), [unused.key()]);
    assert!(unused.ended().is_cancelled());
    assert!(!used.ended().is_cancelled());
    assert!(sessions.reap().is_empty());
    assert_eq!(sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn use_keeps_a_session_but_not_beyond_its_timeout() {
    let sessions = Sessions::new(BOUNDS);
    let (id, session) = sessions.open(who("alice")).unwrap();
    for _ in 0..60 {
        advance(MINUTE).await;
        assert!(sessions.find(&id, who("alice")).is_some());
    }
    advance(SECOND).await;
    assert!(sessions.find(&id, who("alice")).is_none());
    assert_eq!(sessions.reap().len(), 1);
    assert!(session.ended().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_cannot_be_brought_back_by_use() {
    let sessions = Sessions::new(BOUNDS);
    let (id, _) = sessions.open(who("alice")).unwrap();
    advance(MINUTE + SECOND).await;
    for _ in 0..3 {
        assert!(sessions.find(&id, who("alice")).is_none());
    }
    assert!(sessions.close(&id, who("alice")).is_none());
    assert_eq!(sessions.reap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_running_request_keeps_its_session_from_idling_and_the_time_after_it_counts_anew() {
    let sessions = Sessions::new(BOUNDS);
    let (name, session) = sessions.open(who("alice")).unwrap();
    let running = session.begin(id("1")).unwrap();
    advance(MINUTE * 10).await;
    assert!(sessions.reap().is_empty());
    assert!(!running.cancelled().is_cancelled());
    drop(running);
    advance(MINUTE).await;
    assert!(sessions.reap().is_empty(), "the whole idle time after the answer");
    advance(SECOND).await;
    assert!(sessions.find(&name, who("alice")).is_none());
    assert_eq!(sessions.reap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_running_request_ends_with_the_timeout_of_its_session() {
    let sessions = Sessions::new(BOUNDS);
    let (_, session) = sessions.open(who("alice")).unwrap();
    let running = session.begin(id("1")).unwrap();
    advance(BOUNDS.timeout + SECOND).await;
    assert_eq!(sessions.reap().len(), 1);
    assert!(running.cancelled().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn new_bounds_hold_for_sessions_that_are_open() {
    let sessions = Sessions::new(BOUNDS);
    let (id, session) = sessions.open(who("alice")).unwrap();
    sessions.rebind(Bounds { idle: MINUTE * 5, ..BOUNDS });
    advance(MINUTE * 4).await;
    assert!(sessions.find(&id, who("alice")).is_some(), "a longer idle time reaches it");
    sessions.rebind(Bounds { idle: SECOND, ..BOUNDS });
    advance(SECOND * 2).await;
    assert!(sessions.find(&id, who("alice")).is_none(), "and so does a shorter one");
    assert_eq!(sessions.reap().first().map(|ended| ended.key()), Some(session.key()));
}

#[tokio::test(start_paused = true)]
async fn fewer_sessions_than_are_open_end_none_and_admit_none() {
    let sessions = Sessions::new(BOUNDS);
    let opened: Vec<_> = ["alice", "alice", "bob"].map(|name| sessions.open(who(name)).unwrap()).into();
    sessions.rebind(Bounds { total: 2, per_principal: 1, ..BOUNDS });
    for (id, session) in &opened {
        assert!(sessions.find(id, session.principal()).is_some());
    }
    assert!(sessions.close(&opened[0].0, who("alice")).is_some());
    assert_eq!(sessions.open(who("alice")).unwrap_err(), SessionError::TooManyOfOne);
    assert_eq!(sessions.open(who("carol")).unwrap_err(), SessionError::TooMany);
    assert!(sessions.close(&opened[1].0, who("alice")).is_some());
    assert!(sessions.open(who("carol")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn ending_all_ends_those_too_that_nobody_has_reaped_yet() {
    let sessions = Sessions::new(BOUNDS);
    for name in ["alice", "alice", "bob"] {
        sessions.open(who(name)).unwrap();
    }
    advance(MINUTE + SECOND).await;
    let (name, session) = sessions.open(who("alice")).unwrap();
    let running = session.begin(id("1")).unwrap();
    let ended = sessions.end_all();
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(|session| session.ended().is_cancelled()));
    assert!(running.cancelled().is_cancelled());
    assert!(sessions.find(&name, who("alice")).is_none());
    assert!(sessions.is_empty());
    assert!(sessions.end_all().is_empty());
    assert!(sessions.reap().is_empty());
    for _ in 0..2 {
        assert!(sessions.open(who("alice")).is_ok(), "nobody's share is used up any more");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_session_is_not_found_not_closed_and_not_kept_alive() {
    let sessions = Sessions::new(BOUNDS);
    let (id, session) = sessions.open(who("alice")).unwrap();
    advance(MINUTE).await;
    assert!(sessions.find(&id, who("mallory")).is_none());
    assert!(sessions.close(&id, who("mallory")).is_none());
    assert!(!session.ended().is_cancelled());
    advance(SECOND).await;
    assert!(sessions.find(&id, who("alice")).is_none(), "asking is no use of it");
}

#[tokio::test(start_paused = true)]
async fn only_what_exists_and_is_somebody_elses_is_foreign() {
    let sessions = Sessions::new(BOUNDS);
    let (id, _) = sessions.open(who("alice")).unwrap();
    assert!(sessions.is_foreign(&id, who("mallory")));
    assert!(!sessions.is_foreign(&id, who("alice")));
    assert!(!sessions.is_foreign("never-issued", who("mallory")));
    assert!(sessions.close(&id, who("alice")).is_some());
    assert!(!sessions.is_foreign(&id, who("mallory")));
}

#[tokio::test]
async fn an_id_runs_once_at_a_time_and_is_compared_by_value() {
    let sessions = Sessions::new(BOUNDS);
    let (_, session) = sessions.open(who("alice")).unwrap();
    let first = session.begin(id("1")).unwrap();
    assert!(session.begin(id("1")).is_none());
    assert!(session.begin(id("1.0")).is_none(), "another spelling of the same number");
    let text = session.begin(id(r#""1""#)).unwrap();
    assert!(session.begin(id(r#""\u0031""#)).is_none(), "another spelling of the same text");
    drop(first);
    assert!(session.begin(id("1")).is_some(), "an id may be used again once its request has ended");
    drop(text);
}

#[tokio::test]
async fn cancelling_reaches_the_request_that_was_named_and_no_other() {
    let sessions = Sessions::new(BOUNDS);
    let (_, session) = sessions.open(who("alice")).unwrap();
    let (number, text) = (session.begin(id("1")).unwrap(), session.begin(id(r#""1""#)).unwrap());
    let (_, other) = sessions.open(who("alice")).unwrap();
    let elsewhere = other.begin(id("1")).unwrap();
    session.cancel(&id("2"));
    session.cancel(&id("1"));
    assert!(number.cancelled().is_cancelled());
    assert!(!text.cancelled().is_cancelled());
    assert!(!elsewhere.cancelled().is_cancelled());
    drop(number);
    session.cancel(&id("1"));
    let again = session.begin(id("1")).unwrap();
    assert!(!again.cancelled().is_cancelled(), "what was cancelled before it began was something else");
}

#[tokio::test]
async fn closing_a_session_cancels_what_runs_in_it() {
    let sessions = Sessions::new(BOUNDS);
    let (name, session) = sessions.open(who("alice")).unwrap();
    let running = session.begin(id("1")).unwrap();
    assert!(sessions.close(&name, who("alice")).is_some());
    assert!(running.cancelled().is_cancelled());
    assert!(session.ended().is_cancelled());
    assert!(sessions.close(&name, who("alice")).is_none());
    let late = session.begin(id("2")).unwrap();
    assert!(late.cancelled().is_cancelled(), "what begins after the end is cancelled from the start");
}

#[tokio::test]
async fn the_first_greeting_is_the_one_that_counts() {
    let sessions = Sessions::new(BOUNDS);
    let (_, session) = sessions.open(who("alice")).unwrap();
    assert!(session.hello().is_none());
    session.greet(&hello(Version::V2025_06_18, r#"{"sampling":{}}"#));
    session.greet(&hello(Version::V2025_11_25, r#"{"roots":{}}"#));
    let remembered = session.hello().unwrap();
    assert_eq!(remembered.version, Version::V2025_06_18);
    assert_eq!(remembered.capabilities.as_str(), r#"{"sampling":{}}"#);
    assert_eq!(remembered.info.as_ref().map(Raw::as_str), Some(r#"{"name":"x"}"#));
}

#[tokio::test]
async fn a_session_is_quiet_once_its_last_request_has_ended() {
    let sessions = Sessions::new(BOUNDS);
    let (_, session) = sessions.open(who("alice")).unwrap();
    session.quiet().await;
    let (first, second) = (session.begin(id("1")).unwrap(), session.begin(id("2")).unwrap());
    let quiet = session.quiet();
    tokio::pin!(quiet);
    assert!(is_pending(quiet.as_mut()).await);
    drop(first);
    assert!(is_pending(quiet.as_mut()).await, "one is still running");
    drop(second);
    quiet.await;
}

/// Whether `future` is still pending after everything that is ready has run.
async fn is_pending<F: Future<Output = ()>>(future: std::pin::Pin<&mut F>) -> bool {
    tokio::select! {
        biased;
        () = future => false,
        () = tokio::task::yield_now() => true,
    }
}

#[tokio::test]
async fn ids_are_long_and_keys_are_used_once_in_a_process() {
    let (one, other) = (Sessions::new(BOUNDS), Sessions::new(BOUNDS));
    let (first_id, first) = one.open(who("alice")).unwrap();
    let (second_id, second) = other.open(who("alice")).unwrap();
    assert!(first_id.len() >= 43, "256 bits need 43 characters at least: {first_id}");
    assert_ne!(first_id, second_id);
    assert_ne!(first.key(), second.key(), "upstream sessions hang on them, and outlive a table");
    assert!(other.find(&first_id, who("alice")).is_none());
}

#[tokio::test]
async fn a_log_level_holds_until_the_next() {
    let sessions = Sessions::new(BOUNDS);
    let (_, session) = sessions.open(who("alice")).unwrap();
    assert_eq!(session.logs(), Logs::ServersChoice);
    session.set_level(Level::parse("warning").unwrap());
    assert_eq!(session.logs(), Logs::From(Level::parse("warning").unwrap()));
    session.set_level(Level::parse("debug").unwrap());
    assert_eq!(session.logs(), Logs::From(Level::parse("debug").unwrap()));
}
