//! Names from tokens and from the configuration, as a person reads them in the log.

use std::fmt;

/// Names that are shown; of the others it is said how many there are.
const SHOWN: usize = 4;
/// Of each, in characters.
const LENGTH: usize = 120;

/// Some names. Somebody else may have chosen them: they are cut, and none breaks a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    shown: Vec<String>,
    more: usize,
}

impl Names {
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = names.into_iter();
        let shown = names.by_ref().take(SHOWN).map(printable).collect();
        Self { shown, more: names.count() }
    }
}

fn printable(name: &str) -> String {
    name.chars().take(LENGTH).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shown.is_empty() {
            return f.write_str("missing");
        }
        for (index, name) in self.shown.iter().enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
        }
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_bounded_and_stay_on_their_line() {
        assert_eq!(Names::of([]).to_string(), "missing");
        assert_eq!(Names::of(["a", "b\nc"]).to_string(), "`a`, `b\u{fffd}c`");
        assert_eq!(Names::of(["1", "2", "3", "4", "5", "6"]).to_string(), "`1`, `2`, `3`, `4` and 2 more");
        assert_eq!(Names::of(["x".repeat(1000).as_str()]).to_string().len(), LENGTH + 2);
    }
}
