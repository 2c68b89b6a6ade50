//! Arguments of a tool that travel in a header too (`x-mcp-header`; MCP 2026-07-28, Streamable HTTP, Custom Headers from
//! Tool Parameters).
//!
//! Says which headers a tool's schema demands, writes them for a call, and checks the ones that came with a call. The
//! body is what counts: a header is only ever compared with it.

mod annotation;
mod number;
#[cfg(test)]
mod tests;

use crate::header::{HeaderError, decode_value, encode_value};
use crate::{Object, Raw};

use number::Decimal;

pub use annotation::InvalidAnnotation;

/// The headers that one tool's input schema demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<ParamHeader>);

/// One argument that travels in a header too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// The header's whole name in lower case: `mcp-param-region`.
    pub header: String,
    /// The names of the properties that lead from the arguments to the value, outermost first.
    pub path: Vec<String>,
}

/// Why the headers of a call do not agree with its arguments. The peer is answered with
/// [`HEADER_MISMATCH`](crate::code::HEADER_MISMATCH). Names values nowhere: they may be long, or secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The argument has a value and the header is not there.
    #[error("the header `{header}` is missing; send the value of the argument `{argument}` in it too")]
    Missing {
        /// The header.
        header: String,
        /// The argument, dotted.
        argument: String,
    },
    /// The header is there and the argument is absent or null.
    #[error("the header `{header}` has a value and the argument `{argument}` has none; send both or neither")]
    Unexpected {
        /// The header.
        header: String,
        /// The argument, dotted.
        argument: String,
    },
    /// The two have different values.
    #[error("the header `{header}` does not match the argument `{argument}`; send the same value in both")]
    Different {
        /// The header.
        header: String,
        /// The argument, dotted.
        argument: String,
    },
    /// The header came more than once.
    #[error("the header `{header}` came more than once; send it once")]
    Repeated {
        /// The header.
        header: String,
    },
    /// The header's value is no text.
    #[error("the header `{header}` cannot be read: it {reason}")]
    Unreadable {
        /// The header.
        header: String,
        /// What is wrong with it.
        reason: HeaderError,
    },
    /// The argument is an array, an object, or a string that is no text: nothing a header could carry.
    #[error(
        "the argument `{argument}` travels in the header `{header}` too and must be a string, a number or a boolean"
    )]
    NotPrimitive {
        /// The header.
        header: String,
        /// The argument, dotted.
        argument: String,
    },
}

impl ParamHeaders {
    /// How many arguments of one tool can travel in headers.
    pub const MAX: usize = 64;

    /// The headers that `input_schema` demands.
    ///
    /// # Errors
    /// An annotation breaks the rules. Who speaks HTTP to the server must then leave out the tool, and keep the others.
    pub fn of_tool_schema(input_schema: &Raw) -> Result<Self, InvalidAnnotation> {
        annotation::find(input_schema).map(Self)
    }

    /// Whether the tool demands none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers and what they carry.
    pub fn iter(&self) -> impl Iterator<Item = &ParamHeader> {
        self.0.iter()
    }

    /// The headers to send with a call: names in lower case, values encoded. An argument that is absent, null, or nothing
    /// a header could carry has none.
    #[must_use]
    pub fn values(&self, arguments: Option<&Raw>) -> Vec<(String, String)> {
        let Some(arguments) = self.arguments(arguments) else { return Vec::new() };
        let value = |param: &ParamHeader| {
            Some((param.header.clone(), Carried::of(&param.value(&arguments)?)?.encoded()))
        };
        self.0.iter().filter_map(value).collect()
    }

    /// Checks the headers that came with a call; `headers` answers all values of the header with a name in lower case.
    ///
    /// # Errors
    /// The first header that does not agree with its argument.
    pub fn check<'h, I>(&self, headers: impl Fn(&str) -> I, arguments: Option<&Raw>) -> Result<(), Mismatch>
    where
        I: IntoIterator<Item = &'h [u8]>,
    {
        let arguments = self.arguments(arguments);
        self.0.iter().try_for_each(|param| {
            let value = arguments.as_ref().and_then(|arguments| param.value(arguments));
            let mut lines = headers(&param.header).into_iter();
            let line = lines.next();
            if lines.next().is_some() {
                return Err(Mismatch::Repeated { header: param.header.clone() });
            }
            param.check(line, value.as_ref())
        })
    }

    /// Indexes the arguments, if that is of use.
    fn arguments(&self, arguments: Option<&Raw>) -> Option<Object> {
        if self.is_empty() { None } else { Object::of(arguments?) }
    }
}

impl ParamHeader {
    /// The value of the argument, unless absent or null.
    fn value(&self, arguments: &Object) -> Option<Raw> {
        let (last, outer) = self.path.split_last()?;
        let value = match outer.split_first() {
            None => arguments.get(last),
            Some((first, inner)) => {
                inner.iter().try_fold(arguments.object(first)?, |object, name| object.object(name))?.get(last)
            }
        };
        value.filter(|value| !value.is_null())
    }

    fn check(&self, line: Option<&[u8]>, value: Option<&Raw>) -> Result<(), Mismatch> {
        let header = || self.header.clone();
        let argument = || self.path.join(".");
        let Some(value) = value else {
            return match line {
                None => Ok(()),
                Some(_) => Err(Mismatch::Unexpected { header: header(), argument: argument() }),
            };
        };
        let carried = Carried::of(value)
            .ok_or_else(|| Mismatch::NotPrimitive { header: header(), argument: argument() })?;
        let line = line.ok_or_else(|| Mismatch::Missing { header: header(), argument: argument() })?;
        let sent = decode_value(line).map_err(|reason| Mismatch::Unreadable { header: header(), reason })?;
        if carried.equals(&sent) {
            return Ok(());
        }
        Err(Mismatch::Different { header: header(), argument: argument() })
    }
}

/// A value that a header can carry.
enum Carried<'a> {
    /// A string's value, `true` or `false`.
    Text(std::borrow::Cow<'a, str>),
    /// A number, as written.
    Number(&'a str),
}

impl<'a> Carried<'a> {
    fn of(value: &'a Raw) -> Option<Self> {
        match value.as_bytes().first()? {
            b'"' => value.to_text().map(Self::Text),
            b't' | b'f' => Some(Self::Text(value.as_str().into())),
            b'-' | b'0'..=b'9' => Some(Self::Number(value.as_str())),
            _ => None,
        }
    }

    fn encoded(&self) -> String {
        match self {
            Self::Text(text) => encode_value(text).into_owned(),
            Self::Number(number) => Decimal::parse(number)
                .and_then(|decimal| decimal.to_integer())
                .unwrap_or_else(|| (*number).to_owned()),
        }
    }

    /// Numbers are compared as numbers, so that `42.0` is `42`; everything else exactly.
    fn equals(&self, sent: &str) -> bool {
        match self {
            Self::Text(text) => text == sent,
            Self::Number(number) => {
                *number == sent || Decimal::parse(number).is_some_and(|own| Decimal::parse(sent) == Some(own))
            }
        }
    }
}
