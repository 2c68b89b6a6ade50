//! URI templates: does a URI look as if it came from this template (RFC 6570, all four levels, backwards)?
//!
//! Expands nothing and takes no values out; it only says where a URI may belong. Where the RFC's expansion is stricter
//! than what people write in URIs (the order of query parameters, characters that should be percent-encoded), a URI
//! matches. The time taken is bounded by the lengths of template and URI; nothing is ever tried twice.

mod matching;
mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use matching::Places;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// How much of a template is fixed. The greater one of two is the better owner of a URI that matches both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    literal_chars: usize,
    expressions: Reverse<usize>,
    unbounded: Reverse<usize>,
}

/// Why a text is not a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// More than [`Template::BYTES_MAX`].
    #[error("the URI template is longer than {} bytes", Template::BYTES_MAX)]
    TooLong,
    /// More than [`Template::VARIABLES_MAX`].
    #[error("the URI template has more than {} variables", Template::VARIABLES_MAX)]
    TooManyVariables,
    /// A brace without its counterpart.
    #[error(
        "the brace at byte {at} of the URI template has no counterpart; write a literal one as %7B or %7D"
    )]
    UnbalancedBrace {
        /// Offset in bytes.
        at: usize,
    },
    /// RFC 6570, section 2.2: set aside for later, or meaning nothing.
    #[error("the URI template uses the operator `{operator}` at byte {at}, which has no meaning")]
    UnknownOperator {
        /// The operator.
        operator: char,
        /// Offset in bytes.
        at: usize,
    },
    /// RFC 6570, section 2.3: letters, digits, `_`, `.`, `%`; here `-` too.
    #[error("the expression at byte {at} of the URI template has a variable without a proper name")]
    InvalidName {
        /// Offset in bytes of the expression.
        at: usize,
    },
    /// RFC 6570, section 2.4: `*`, or `:` and 1 to 9999.
    #[error(
        "the expression at byte {at} of the URI template has a modifier that is neither `*` nor `:1` to `:9999`"
    )]
    InvalidModifier {
        /// Offset in bytes of the expression.
        at: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Expression { operator: Operator, variables: Vec<Variable> },
}

/// RFC 6570, appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// `{x}`
    Simple,
    /// `{+x}`
    Reserved,
    /// `{#x}`
    Fragment,
    /// `{.x}`
    Label,
    /// `{/x}`
    Path,
    /// `{;x}`
    Parameter,
    /// `{?x}`
    Query,
    /// `{&x}`
    Continuation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: String,
    modifier: Modifier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Modifier {
    None,
    Explode,
    /// At most so many characters.
    Prefix(usize),
}

impl Template {
    /// The longest template that is taken, in bytes.
    pub const BYTES_MAX: usize = 2048;
    /// The most variables a template can have in all.
    pub const VARIABLES_MAX: usize = 32;
    /// The longest URI that can match, in bytes.
    pub const URI_BYTES_MAX: usize = 8192;

    /// Reads a template.
    ///
    /// # Errors
    /// The text is no template, or beyond the bounds.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text).map(|parts| Self { parts })
    }

    /// Whether `uri` can be an expansion of this template.
    ///
    /// A variable of the plain kinds stands for at least one character and never spans `/`, `?` or `#`; `{+x}` stands for
    /// at least one character of any kind. The expressions that bring their own first character (`{/x}`, `{?x}`, …) may
    /// be absent. Literals are compared byte by byte.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        if uri.len() > Self::URI_BYTES_MAX || !self.frame_fits(uri) {
            return false;
        }
        let mut places = Places::start(uri);
        self.parts.iter().all(|part| {
            places = match part {
                Part::Literal(literal) => places.after_literal(literal),
                Part::Expression { operator, variables } => places.after_expression(*operator, variables),
            };
            places.any()
        }) && places.at_end()
    }

    /// How much of the template is fixed: the number of its literal characters; among equals, fewer expressions and then
    /// fewer that can swallow anything come first.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        let literal = |part: &Part| if let Part::Literal(text) = part { text.chars().count() } else { 0 };
        let unbounded = |part: &&Part| {
            matches!(part, Part::Expression { operator: Operator::Reserved | Operator::Fragment, .. })
        };
        Specificity {
            literal_chars: self.parts.iter().map(literal).sum(),
            expressions: Reverse(
                self.parts.iter().filter(|part| matches!(part, Part::Expression { .. })).count(),
            ),
            unbounded: Reverse(self.parts.iter().filter(unbounded).count()),
        }
    }

    /// A cheap look at both ends, which settles nearly all URIs that do not match.
    fn frame_fits(&self, uri: &str) -> bool {
        let begins = |part: Option<&Part>| match part {
            Some(Part::Literal(literal)) => uri.starts_with(literal.as_str()),
            _ => true,
        };
        let ends = |part: Option<&Part>| match part {
            Some(Part::Literal(literal)) => uri.ends_with(literal.as_str()),
            _ => true,
        };
        begins(self.parts.first()) && ends(self.parts.last())
    }
}
