//! `gateways.<name>.inbound`: who may come in. Never absent by accident: `none` has to be written out.

use crate::address::{discovery_url, operator_url};
use crate::diagnostic::{Problem, quoted};
use crate::form::many::{block, list};
use crate::form::scalar::{Scalar, choice_or, plain_text, text};
use crate::form::section::Section;
use crate::form::{Either, Form, Turned};
use crate::interpolate::Resolved;
use crate::model::{Audiences, Inbound, Issuer, JwtAuthorizer};
use crate::section::Front;

/// Authorizers of one gateway.
const AUTHORIZERS_MAX: usize = 16;
/// Audiences, clients or scopes of one authorizer.
const VALUES_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 2048;

/// What to write when `inbound` is missing.
pub(crate) const HELP: &str =
    "write `inbound: { jwt: { discovery_url: … } }`, or `inbound: none` to let everyone in";

/// `none`, one authorizer, or a list of them.
pub(crate) fn form(front: &Front) -> impl Form<Out = Inbound> {
    let none = choice_or(&[("none", ())], "a map such as `{ jwt: { … } }`, or a list of such maps")
        .hint(|written| (written == "dev").then(|| "write `inbound: { jwt: { issuer: dev } }`".to_owned()));
    let one = block(|section: &mut Section<'_>| authorizer(section, front));
    let several = list(block(|section: &mut Section<'_>| authorizer(section, front)), AUTHORIZERS_MAX);
    Either(
        Turned { form: none, turn: |()| Inbound::None },
        Either(
            Turned { form: one, turn: |authorizer| Inbound::Jwt(vec![authorizer]) },
            Turned { form: several, turn: Inbound::Jwt },
        ),
    )
}

/// What is wrong with a list of authorizers taken together.
pub(crate) fn contradiction(inbound: &Inbound) -> Option<Problem> {
    let Inbound::Jwt(authorizers) = inbound else { return None };
    if authorizers.is_empty() {
        return Some(Problem::new("must not be an empty list").help(HELP));
    }
    let repeated = authorizers.iter().enumerate().find(|(index, authorizer)| {
        authorizers[..*index].iter().any(|earlier| same_issuer(&earlier.issuer, &authorizer.issuer))
    });
    repeated.map(|(index, _)| {
        let message = format!("authorizer {} repeats the issuer of an earlier one", index + 1);
        Problem::new(message).help("the exact `iss` selects the authorizer: merge the two")
    })
}

fn same_issuer(a: &Issuer, b: &Issuer) -> bool {
    match (a, b) {
        (Issuer::Jwks { issuer: a, .. }, Issuer::Jwks { issuer: b, .. }) => a == b,
        _ => a == b,
    }
}

fn authorizer(section: &mut Section<'_>, front: &Front) -> Option<JwtAuthorizer> {
    for kind in ["api_keys", "iam", "mtls"] {
        section.later(kind);
    }
    let jwt = block(|section: &mut Section<'_>| jwt(section, front));
    section.required(
        "jwt",
        "Bearer tokens (JWT) of one issuer.",
        &jwt,
        "write `jwt: { discovery_url: … }`, or `jwt: { issuer: dev }` for development",
    )
}

fn jwt(section: &mut Section<'_>, front: &Front) -> Option<JwtAuthorizer> {
    let discovery = section.optional(
        "discovery_url",
        "OpenID Connect discovery document of the issuer, ending in /.well-known/openid-configuration.",
        &discovery_url(),
    );
    let issuer = section.optional(
        "issuer",
        "`dev` for the embedded development issuer (loopback only); otherwise the exact `iss`, with `jwks_uri`.",
        &plain_text(TEXT_BYTES_MAX),
    );
    let jwks_uri = section.optional("jwks_uri", "Where the issuer's public keys are.", &operator_url());
    let audiences = section.optional(
        "audiences",
        "What `aud` must contain one of; the gateway's own URL by default. `unchecked` needs `clients`.",
        &Either(
            Turned { form: choice_or(&[("unchecked", ())], "a list"), turn: |()| Audiences::Unchecked },
            Turned { form: list(plain_text(TEXT_BYTES_MAX), VALUES_MAX), turn: Audiences::Listed },
        ),
    );
    let clients = section.optional(
        "clients",
        "Clients that may come in: `client_id` or `azp` must be one of these.",
        &list(plain_text(TEXT_BYTES_MAX), VALUES_MAX),
    );
    let scopes = section
        .optional("scopes", "Scopes every caller needs.", &list(scope(), VALUES_MAX))
        .unwrap_or_default();

    if audiences == Some(Audiences::Listed(Vec::new())) {
        section.error(
            "audiences",
            Problem::new("must not be empty").help("remove the key to accept the gateway's own URL"),
        );
    }
    if clients.as_ref().is_some_and(Vec::is_empty) {
        section.error(
            "clients",
            Problem::new("must not be empty").help("remove the key to accept every client"),
        );
    }
    let clients = clients.unwrap_or_default();
    if audiences == Some(Audiences::Unchecked) && clients.is_empty() && !section.has("clients") {
        section.error(
            "audiences",
            Problem::new("`unchecked` accepts tokens meant for other services")
                .help("list the accepted `clients` beside it, or write the audiences"),
        );
    }
    let issuer = combine(section, front, (discovery, issuer, jwks_uri))?;
    Some(JwtAuthorizer { issuer, audiences: audiences.unwrap_or(Audiences::Own), clients, scopes })
}

/// The three spellings of an issuer, of which exactly one must be written.
fn combine(
    section: &Section<'_>,
    front: &Front,
    (discovery, issuer, jwks_uri): (Option<url::Url>, Option<String>, Option<url::Url>),
) -> Option<Issuer> {
    let is_dev = issuer.as_deref() == Some("dev");
    if section.has("discovery_url") {
        for key in ["issuer", "jwks_uri"].into_iter().filter(|key| section.has(key)) {
            let problem = Problem::new("cannot stand beside `discovery_url`, whose document names it");
            section.error(key, problem.help("remove one of the two"));
        }
        return discovery.map(Issuer::Discovery);
    }
    if is_dev {
        if section.has("jwks_uri") {
            section.error("jwks_uri", Problem::new("cannot stand beside `issuer: dev`").help("remove it"));
        }
        if !front.is_loopback() {
            section.error("issuer", dev_is_local());
        }
        return Some(Issuer::Dev);
    }
    match (section.has("issuer"), section.has("jwks_uri")) {
        (true, true) => Some(Issuer::Jwks { issuer: issuer?, jwks_uri: jwks_uri? }),
        (true, false) => {
            let problem = Problem::new("needs `jwks_uri` beside it");
            section.error(
                "issuer",
                problem.help("or write `discovery_url` instead; `issuer: dev` is for development"),
            );
            None
        }
        (false, true) => {
            section.error("jwks_uri", Problem::new("needs `issuer` beside it").help("write the exact `iss`"));
            None
        }
        (false, false) => {
            let problem = Problem::new("names no issuer");
            section.error(
                "",
                problem.help("write `discovery_url`, or `issuer` and `jwks_uri`, or `issuer: dev`"),
            );
            None
        }
    }
}

/// The embedded issuer signs for anyone who can read `data_dir`.
pub(crate) fn dev_is_local() -> Problem {
    Problem::new("the embedded development issuer serves loopback addresses only")
        .help("use your identity provider's `discovery_url`, or keep `listen` and `public_url` on 127.0.0.1")
}

/// RFC 6749, appendix A.4: scope-token.
fn scope() -> Scalar<String> {
    text("a scope", |from: &Resolved| {
        let is_scope_byte = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if from.value.is_empty()
            || from.value.len() > TEXT_BYTES_MAX
            || !from.value.bytes().all(is_scope_byte)
        {
            let message =
                format!("must be one scope, without blanks or quotes, is {}", quoted(&from.written));
            return Err(Problem::new(message));
        }
        Ok(from.value.clone())
    })
}
