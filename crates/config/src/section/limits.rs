//! `limits`: bounds on everything that comes from outside.

use std::time::Duration;

use crate::diagnostic::Problem;
use crate::form::scalar::{count, duration, size};
use crate::form::section::Section;
use crate::model::Limits;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body: 4 * MIB,
            upstream_event: 32 * MIB,
            json_depth: 64,
            batch: 50,
            sessions_per_principal: 1000,
            sessions: 100_000,
            in_flight: 10_000,
            in_flight_per_principal: 1000,
            streams: 20_000,
            streams_per_principal: 1000,
            subscriptions_per_session: 1000,
            subscriptions_per_principal: 10_000,
            notifications: 256,
            notification_bytes: 256 * KIB,
            resume_bytes: MIB,
            resume_bytes_per_principal: 32 * MIB,
            resume_bytes_total: 256 * MIB,
            connections: 10_000,
            read_timeout: Duration::from_secs(30),
            catalogue_items: 10_000,
            drain: Duration::from_secs(30),
            questions: 100,
            questions_open: 1000,
            rounds: 16,
            question_timeout: Duration::from_secs(600),
            parks: 1000,
            parks_per_principal: 32,
            question_bytes: MIB,
            round_bytes: 2 * MIB,
            park_bytes: 256 * MIB,
            park_bytes_per_principal: 16 * MIB,
        }
    }
}

pub(crate) fn read(section: &mut Section<'_>) -> Option<Limits> {
    let default = Limits::default();
    let seconds = Duration::from_secs;
    let many = count(1..=10_000_000);
    Some(Limits {
        request_body: section.or(
            "request_body",
            "The largest body a client may send.",
            &size(KIB..=GIB),
            default.request_body,
        ),
        upstream_event: section.or(
            "upstream_event",
            "The largest single message a server may send: a JSON body, an SSE event or a line of a child process.",
            &size(64 * KIB..=GIB),
            default.upstream_event,
        ),
        json_depth: section.or(
            "json_depth",
            "Levels of nesting in JSON, in either direction.",
            &count(8..=128),
            default.json_depth,
        ),
        batch: section.or("batch", "Messages in one 2025-03-26 batch.", &count(1..=1000), default.batch),
        sessions_per_principal: section.or(
            "sessions_per_principal",
            "Sessions one caller may hold at a time in one gateway, and sessions held for one caller with one target. \
             Without authentication, `sessions` counts.",
            &many,
            default.sessions_per_principal,
        ),
        sessions: section.or("sessions", "Sessions in all.", &many, default.sessions),
        in_flight: section.or("in_flight", "Requests in progress at a time, in all.", &many, default.in_flight),
        in_flight_per_principal: section.or(
            "in_flight_per_principal",
            "Requests of one principal in progress at a time. Without authentication, `in_flight` counts.",
            &many,
            default.in_flight_per_principal,
        ),
        streams: section.or(
            "streams",
            "Streams at a time, in all, that outlast a request: GET streams of sessions, calls taken up on one, \
             `subscriptions/listen`, and HTTP+SSE.",
            &many,
            default.streams,
        ),
        streams_per_principal: section.or(
            "streams_per_principal",
            "The same of one principal. Without authentication, `streams` counts.",
            &many,
            default.streams_per_principal,
        ),
        subscriptions_per_session: section.or(
            "subscriptions_per_session",
            "Resources one session, or one `subscriptions/listen`, may be subscribed to; tasks count, too.",
            &count(1..=100_000),
            default.subscriptions_per_session,
        ),
        subscriptions_per_principal: section.or(
            "subscriptions_per_principal",
            "Resources and tasks one principal may be subscribed to in one gateway. Without authentication, only \
             `subscriptions_per_session` counts.",
            &many,
            default.subscriptions_per_principal,
        ),
        notifications: section.or(
            "notifications",
            "Notifications that wait for one client; beyond it updates are merged and log messages dropped.",
            &count(16..=100_000),
            default.notifications,
        ),
        notification_bytes: section.or(
            "notification_bytes",
            "The same in bytes.",
            &size(4 * KIB..=GIB),
            default.notification_bytes,
        ),
        resume_bytes: section.or(
            "resume_bytes",
            "Events of one session that are kept so that a broken stream can be resumed.",
            &size(4 * KIB..=GIB),
            default.resume_bytes,
        ),
        resume_bytes_per_principal: section.or(
            "resume_bytes_per_principal",
            "The same for all sessions of one principal in a gateway. Without authentication, `resume_bytes_total` counts.",
            &size(4 * KIB..=64 * GIB),
            default.resume_bytes_per_principal,
        ),
        resume_bytes_total: section.or(
            "resume_bytes_total",
            "The same for all sessions of a gateway. When it is reached, whoever keeps most gives way first.",
            &size(MIB..=64 * GIB),
            default.resume_bytes_total,
        ),
        connections: section.or("connections", "Client connections at a time.", &many, default.connections),
        read_timeout: section.or(
            "read_timeout",
            "Time for a client to send the head of a request, and then its body.",
            &duration(seconds(1)..=seconds(600)),
            default.read_timeout,
        ),
        catalogue_items: section.or(
            "catalogue_items",
            "Tools, prompts, resources or templates one target may list, of each kind.",
            &count(1..=1_000_000),
            default.catalogue_items,
        ),
        drain: section.or(
            "drain",
            "Time running requests have to finish after SIGTERM.",
            &duration(Duration::ZERO..=seconds(3600)),
            default.drain,
        ),
        questions: section.or(
            "questions",
            "Questions a server may ask in one call, in all.",
            &count(1..=10_000),
            default.questions,
        ),
        questions_open: section.or(
            "questions_open",
            "Questions open at a time in one client session.",
            &count(1..=100_000),
            default.questions_open,
        ),
        rounds: section.or(
            "rounds",
            "Times a server of 2026-07-28 may need answers in one call.",
            &count(1..=1000),
            default.rounds,
        ),
        question_timeout: section.or(
            "question_timeout",
            "Time a person has to answer a question.",
            &duration(seconds(1)..=seconds(86_400)),
            default.question_timeout,
        ),
        parks: section.or(
            "parks",
            "Calls of 2026-07-28 clients that wait for an answer at a time, per gateway.",
            &count(1..=1_000_000),
            default.parks,
        ),
        parks_per_principal: section.or(
            "parks_per_principal",
            "Calls of one principal that wait for an answer at a time. Without authentication, `parks` counts.",
            &count(1..=1_000_000),
            default.parks_per_principal,
        ),
        question_bytes: section.or(
            "question_bytes",
            "The largest question a server may ask.",
            &size(KIB..=GIB),
            default.question_bytes,
        ),
        round_bytes: section.or(
            "round_bytes",
            "Questions of one call that are open at a time, with what a server of 2026-07-28 wants to have back. It comes back in a \
             client's next request, so `request_body` should be twice as large.",
            &size(KIB..=GIB),
            default.round_bytes,
        ),
        park_bytes: section.or(
            "park_bytes",
            "What calls of 2026-07-28 clients that wait for an answer hold, per gateway: requests, questions, and what the \
             server said meanwhile.",
            &size(64 * KIB..=64 * GIB),
            default.park_bytes,
        ),
        park_bytes_per_principal: section.or(
            "park_bytes_per_principal",
            "The same of one principal. Without authentication, `park_bytes` counts.",
            &size(64 * KIB..=64 * GIB),
            default.park_bytes_per_principal,
        ),
    })
}

/// Callers are told apart, so each has a share.
#[derive(Clone, Copy)]
pub(crate) struct Shares;

/// Bounds on a part that are above the bound on the whole, so that they are never reached.
pub(crate) fn out_of_proportion(limits: &Limits, shares: Option<Shares>) -> Vec<Problem> {
    let sessions = [("resume_bytes", limits.resume_bytes, "resume_bytes_total", limits.resume_bytes_total)];
    let principals = [
        ("sessions_per_principal", limits.sessions_per_principal, "sessions", limits.sessions),
        ("in_flight_per_principal", limits.in_flight_per_principal, "in_flight", limits.in_flight),
        ("streams_per_principal", limits.streams_per_principal, "streams", limits.streams),
        ("parks_per_principal", limits.parks_per_principal, "parks", limits.parks),
        (
            "resume_bytes_per_principal",
            limits.resume_bytes_per_principal,
            "resume_bytes_total",
            limits.resume_bytes_total,
        ),
    ];
    let pairs = sessions.into_iter().chain(shares.into_iter().flat_map(|Shares| principals));
    let above = pairs.filter(|(_, most_of_part, _, most)| most_of_part > most);
    above
        .map(|(part, most_of_part, whole, most)| {
            Problem::new(format!(
                "`{part}` ({most_of_part}) is above `{whole}` ({most}), which is reached first"
            ))
            .help(format!("write a lower `{part}`, or a higher `{whole}`"))
        })
        .collect()
}
