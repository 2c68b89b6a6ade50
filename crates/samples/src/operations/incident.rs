//! What went wrong lately.

use serde_json::{Value, json};

/// An incident.
pub(super) struct Incident {
    pub(super) id: &'static str,
    service: &'static str,
    severity: &'static str,
    pub(super) state: &'static str,
    summary: &'static str,
    notes: &'static [&'static str],
}

/// All of them, the latest first.
pub(super) static INCIDENTS: [Incident; 3] = [
    Incident {
        id: "INC-4711",
        service: "checkout",
        severity: "critical",
        state: "open",
        summary: "One payment in five fails",
        notes: &[
            "09:12 Alarm: the error rate of checkout is above 20 %.",
            "09:20 The errors began with release 2026.11.3.",
            "09:31 The runbook restart-checkout is known to help for a while.",
        ],
    },
    Incident {
        id: "INC-4702",
        service: "search",
        severity: "minor",
        state: "open",
        summary: "Results are up to an hour old",
        notes: &["07:55 The indexer is behind; a new node was ordered."],
    },
    Incident {
        id: "INC-4688",
        service: "mail",
        severity: "major",
        state: "resolved",
        summary: "Order confirmations were delayed",
        notes: &["Monday 14:05 The queue was stuck.", "Monday 14:40 Restarted; all mail has been delivered."],
    },
];

impl Incident {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        INCIDENTS.iter().find(|incident| incident.id == id)
    }

    /// For people, in one line.
    pub(super) fn line(&self) -> String {
        let Self { id, service, severity, state, summary, .. } = self;
        format!("{id} ({severity}, {state}) {service}: {summary}")
    }

    /// For people, in full.
    pub(super) fn report(&self) -> String {
        format!("{}\n{}", self.line(), self.notes.join("\n"))
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let Self { id, service, severity, state, summary, notes } = self;
        json!({ "id": id, "service": service, "severity": severity, "state": state, "summary": summary, "notes": notes })
    }
}
