//! Durations and sizes as people write them: `500ms`, `45s`, `15m`, `1h30m`; `64KiB`, `4MiB`, or plain bytes.
//!
//! A duration without a unit is refused: nobody can tell seconds from milliseconds.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `1h30m`; `None` when it is not a duration, or longer than 2^64 milliseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (_, factor) = DURATION_UNITS.iter().find(|(unit, _)| *unit == &rest[..letters])?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// The shortest spelling with one unit: `90s`, `15m`.
pub(crate) fn write_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, factor): &&(&str, u64)| millis.is_multiple_of(*factor) && millis >= *factor;
    match DURATION_UNITS.iter().rev().skip(1).find(fits) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0s".to_owned(),
    }
}

/// Reads `4MiB` or `4194304`; `None` when it is not a size, or too large to count.
pub(crate) fn parse_size(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().ok()?;
    match text[digits..].trim_start() {
        "" => Some(number),
        unit => {
            let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
            number.checked_mul(*factor)
        }
    }
}

/// The shortest spelling with one unit: `4MiB`.
pub(crate) fn write_size(value: usize) -> String {
    match SIZE_UNITS.iter().find(|(_, factor)| value.is_multiple_of(*factor) && value >= *factor) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => "0".to_owned(),
    }
}
