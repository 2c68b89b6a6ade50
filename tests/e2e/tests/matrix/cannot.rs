//! What cannot work, and the fact that says so. Everything that is not named here must work.

use super::feature::Feature;

/// One reason.
pub struct Fact {
    /// The features it takes away.
    features: &'static [Feature],
    /// The first version that has them.
    since: &'static str,
    /// For the cell.
    pub short: &'static str,
    /// For the reader.
    pub because: &'static str,
}

/// All of them.
pub const FACTS: &[Fact] = &[
    Fact {
        features: &[
            Feature::FormAccept,
            Feature::FormDecline,
            Feature::FormCancel,
            Feature::Two,
            Feature::Url,
        ],
        since: "2025-06-18",
        short: "n/a: no form",
        because: "elicitation came with 2025-06-18 (its changelog, major change 6): an older client has no such capability",
    },
    Fact {
        features: &[Feature::Url],
        since: "2025-11-25",
        short: "n/a: no url",
        because: "URL mode came with 2025-11-25 (SEP-1036): `elicitation: {}` of an older client means forms only",
    },
];

/// Why this cannot work, if it cannot.
pub fn fact(feature: Feature, version: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.features.contains(&feature) && version < fact.since)
}
