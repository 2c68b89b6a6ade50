//! A YAML document as a tree that knows where each of its values stands.
//!
//! Scalars keep the text they were written with; what type a text is read as is up to the key that holds it.

/// Where something stands in the file. Both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and where it starts.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) kind: Kind,
}

/// The three forms of a YAML value.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order written, without a key twice.
    Map(Vec<Entry>),
}

/// A single value as written, after YAML's own escapes.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// Whether a scalar was written with quotes, or as a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// May mean null, a boolean or a number.
    Plain,
    /// Always text.
    Quoted,
}

/// One key of a map with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Position,
    pub(crate) value: Node,
}

impl Node {
    /// Whether the value is missing: nothing written, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }

    /// What was written instead of what was expected.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Map(_) => "a map",
            Kind::List(_) => "a list",
            Kind::Scalar(scalar) if scalar.is_null() => "nothing",
            Kind::Scalar(scalar) if scalar.is_bool() => "a boolean",
            Kind::Scalar(scalar) if scalar.is_number() => "a number",
            Kind::Scalar(_) => "a text",
        }
    }
}

impl Scalar {
    /// YAML 1.2.2, §10.3.2: null.
    pub(crate) fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// YAML 1.2.2, §10.3.2: bool.
    pub(crate) fn is_bool(&self) -> bool {
        self.style == Style::Plain
            && matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
    }

    /// YAML 1.2.2, §10.3.2: int or float.
    pub(crate) fn is_number(&self) -> bool {
        if self.style != Style::Plain {
            return false;
        }
        let digits = self.text.trim_start_matches(['-', '+']);
        if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
            return true;
        }
        let hex = digits.strip_prefix("0x").is_some_and(|d| u128::from_str_radix(d, 16).is_ok());
        let octal = digits.strip_prefix("0o").is_some_and(|d| u128::from_str_radix(d, 8).is_ok());
        let starts_as_one = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        hex || octal || (starts_as_one && digits.parse::<f64>().is_ok())
    }
}
