//! What a lawyer would look at first. A table of phrases, and no more clever than that: the point is the server around it.

use serde_json::{Value, json};

use crate::server::Done;

/// How much a finding matters. In order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Low,
    Medium,
    High,
}

/// Something to look at.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    severity: Severity,
    topic: &'static str,
    /// Empty where the finding is that something is missing.
    quote: String,
    advice: &'static str,
}

/// A phrase that should not be there, or should be: severity, phrase, topic, advice.
type Rule = (Severity, &'static str, &'static str, &'static str);

const SUSPICIOUS: [Rule; 4] = [
    (Severity::High, "without limit", "Liability", "Limit both parties' liability to the same amount."),
    (Severity::High, "sole discretion", "Fees", "Allow changes once a year, with a right to leave."),
    (Severity::Medium, "renews automatically", "Renewal", "Ask for a notice period of three months at most."),
    (Severity::Low, "exclusive", "Exclusivity", "Check that nobody else was promised the same."),
];

const EXPECTED: [Rule; 2] = [
    (
        Severity::Medium,
        "data protection",
        "Data protection",
        "Add a clause, or say that no personal data is processed.",
    ),
    (
        Severity::Medium,
        "governing law",
        "Governing law",
        "Say which law applies and where disputes are heard.",
    ),
];

/// The clauses of a text: its lines that begin with a number, or all lines where none does.
pub(super) fn clauses(text: &str) -> Vec<&str> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let numbered: Vec<&str> =
        lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())).collect();
    if numbered.is_empty() { lines().collect() } else { numbered }
}

/// What is suspicious about one clause.
pub(super) fn of_clause(clause: &str) -> Vec<Finding> {
    let lower = clause.to_lowercase();
    let hits = SUSPICIOUS.iter().filter(|(_, phrase, ..)| lower.contains(phrase));
    hits.map(|(severity, _, topic, advice)| Finding {
        severity: *severity,
        topic,
        quote: clause.to_owned(),
        advice,
    })
    .collect()
}

/// What a contract should say, and this one does not.
pub(super) fn missing(text: &str) -> Vec<Finding> {
    let lower = text.to_lowercase();
    let absent = EXPECTED.iter().filter(|(_, phrase, ..)| !lower.contains(phrase));
    absent
        .map(|(severity, _, topic, advice)| Finding {
            severity: *severity,
            topic,
            quote: String::new(),
            advice,
        })
        .collect()
}

/// The answer of the tool, the most serious finding first.
pub(super) fn report(findings: &[Finding]) -> Done {
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let risk = findings.first().map_or(Severity::Low, |finding| finding.severity);
    let mut text = format!("Risk: {}. {} findings.", risk.name(), findings.len());
    for finding in &findings {
        let quote = if finding.quote.is_empty() { "(missing)" } else { &finding.quote };
        text.push_str(&format!(
            "\n- [{}] {}: {quote}\n  {}",
            finding.severity.name(),
            finding.topic,
            finding.advice
        ));
    }
    let structured: Vec<Value> = findings.iter().map(|finding| finding.to_json()).collect();
    Done::text(text).with(json!({ "risk": risk.name(), "findings": structured }))
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl Finding {
    fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.name(), "topic": self.topic, "quote": self.quote, "advice": self.advice,
        })
    }
}
