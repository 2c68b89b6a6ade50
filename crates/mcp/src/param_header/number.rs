//! Numbers as JSON writes them, compared without rounding.

/// A number in JSON's spelling, brought to the one form `±digits × 10^exponent` in which equal numbers look equal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty is zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number (RFC 8259, section 6). `None` for anything else, and for one beyond all use.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_number =
            are_digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(are_digits);
        is_number.then(|| Self::normal(negative, whole, fraction.unwrap_or_default(), exponent))
    }

    /// The decimal spelling of a whole number; `None` for a fraction, and above 20 digits, where only the number as it
    /// was written is short enough for a header.
    pub(super) fn to_integer(&self) -> Option<String> {
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        if self.digits.len().saturating_add(zeros) > 20 {
            return None;
        }
        Some(format!("{}{}{}", if self.negative { "-" } else { "" }, self.digits, "0".repeat(zeros)))
    }

    fn normal(negative: bool, whole: &str, fraction: &str, exponent: i64) -> Self {
        let all = format!("{whole}{fraction}");
        let significant = all.trim_end_matches('0');
        let dropped = all.len() - significant.len();
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: 0 };
        }
        let shift = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let exponent = exponent.saturating_add(shift(dropped)).saturating_sub(shift(fraction.len()));
        Self { negative, digits, exponent }
    }
}

/// Up to nine digits: far beyond any number in use, and far from overflowing.
fn parse_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    (are_digits(digits) && digits.len() <= 9).then(|| digits.parse::<i64>().ok().map(|value| sign * value))?
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
