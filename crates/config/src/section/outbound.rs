//! `outbound`: the credential the gateway shows to a server. The client's own token never goes upstream.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::diagnostic::{Problem, quoted};
use crate::form::Form;
use crate::form::many::{Names, block, pairs};
use crate::form::scalar::{Scalar, loose_text, plain_text};
use crate::form::section::Section;
use crate::interpolate::Source;
use crate::model::{Outbound, Secret};
use crate::secret_like::is_secret;
use crate::section::Front;
use crate::section::inbound::dev_is_local;

/// Bytes of one header value.
const VALUE_BYTES_MAX: usize = 16 * 1024;
const AUDIENCE_BYTES_MAX: usize = 2048;

/// Headers that the gateway or HTTP itself sets on the way to a server.
const OWN_HEADERS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// A value that is kept secret, and whether it stands in the file itself.
pub(crate) struct Hidden {
    pub(crate) secret: Secret,
    pub(crate) source: Source,
}

/// A secret value that `check` accepts.
pub(crate) fn hidden(bytes_max: usize, check: fn(&str) -> Result<(), Problem>) -> Scalar<Hidden> {
    loose_text(bytes_max, move |from| {
        check(&from.value)?;
        Ok(Hidden { secret: Secret(SecretString::from(from.value.clone())), source: from.source })
    })
}

/// The warning about secrets that stand in the file itself, when there are any.
pub(crate) fn literal_secrets(values: &[(String, Hidden)]) -> Option<Problem> {
    let is_literal = |(name, value): &&(String, Hidden)| {
        value.source == Source::Literal && is_secret(name, value.secret.0.expose_secret())
    };
    let names: Vec<_> = values.iter().filter(is_literal).map(|(name, _)| quoted(name)).collect();
    (!names.is_empty()).then(|| {
        Problem::new(format!("a secret stands in the file: {}", names.join(", ")))
            .help("write `${NAME}` and set the environment variable, or `${file:/path}`")
    })
}

/// One kind of credential.
pub(crate) fn form(front: &Front) -> impl Form<Out = Outbound> {
    block(|section: &mut Section<'_>| read(section, front))
}

fn read(section: &mut Section<'_>, front: &Front) -> Option<Outbound> {
    section.later("oauth");
    let headers = section.optional(
        "headers",
        "Headers sent with every request to the server. Write secrets as `${NAME}` or `${file:/path}`.",
        &pairs(header_names(), hidden(VALUE_BYTES_MAX, header_value)),
    );
    let assertion = section.optional(
        "assertion",
        "A short-lived JWT about the caller, signed by the embedded issuer.",
        &block(|section: &mut Section<'_>| {
            section.required(
                "audience",
                "`aud` of the JWT.",
                &plain_text(AUDIENCE_BYTES_MAX),
                "write the audience the server expects",
            )
        }),
    );
    if section.has("headers") && section.has("assertion") {
        section
            .error("assertion", Problem::new("cannot stand beside `headers`").help("write one of the two"));
    }
    if section.has("assertion") && !front.is_loopback() {
        section.error("assertion", dev_is_local());
    }
    if let Some(problem) = headers.as_deref().and_then(literal_secrets) {
        section.warn("headers", problem);
    }
    if let Some(audience) = assertion {
        return Some(Outbound::Assertion { audience });
    }
    if let Some(headers) = headers {
        let headers: BTreeMap<_, _> = headers.into_iter().map(|(name, value)| (name, value.secret)).collect();
        return Some(if headers.is_empty() { Outbound::None } else { Outbound::Headers(headers) });
    }
    let says_something = ["headers", "assertion", "oauth"].into_iter().any(|key| section.has(key));
    if !says_something {
        section.error(
            "",
            Problem::new("names no credential").help("write `headers` or `assertion`, or remove the key"),
        );
    }
    None
}

fn header_names() -> Names {
    Names {
        what: "a header name to its value",
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        check: header_name,
        max: 50,
    }
}

/// RFC 9110, §5.1: a token. Kept in lower case, as HTTP/2 sends it.
pub(crate) fn header_name(name: &str) -> Result<String, Problem> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        return Err(Problem::new(format!("{} is not a header name", quoted(name))));
    }
    let lower = name.to_ascii_lowercase();
    if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("mcp-") || lower.starts_with("proxy-") {
        return Err(Problem::new(format!("{} is set by the gateway itself", quoted(name))).help("remove it"));
    }
    Ok(lower)
}

/// RFC 9110, §5.5. The value is not shown: it may be a secret.
fn header_value(value: &str) -> Result<(), Problem> {
    let allowed = |b: u8| b == b'\t' || (0x20..0x7f).contains(&b);
    if !value.bytes().all(allowed) || value.trim() != value {
        return Err(Problem::new("must be visible ASCII on one line, without blanks at the ends"));
    }
    Ok(())
}
