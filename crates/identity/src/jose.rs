//! A JWT taken apart, before anything in it is believed.
//!
//! Only the compact form of a signed token (RFC 7515) with three parts is read. The header chooses a key among
//! those its issuer publishes, and that is all it may do: `jwk`, `jku`, `x5u` and `x5c` are never looked at (some
//! issuers write them), `crit` is refused because no extension is understood.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::challenge::Reason;

/// The longest `kid`, in bytes.
const KID_BYTES_MAX: usize = 256;

/// A token in three parts, unverified.
pub(crate) struct Token<'a> {
    /// What the signature covers: header, dot, claims.
    pub(crate) message: &'a str,
    /// The signature in base64url.
    pub(crate) signature: &'a str,
    pub(crate) header: Header,
    /// The claims as the token has them. Nothing but `iss` may be used before the signature is verified.
    pub(crate) claims: Map<String, Value>,
}

/// What is used of a JOSE header.
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Typ,
}

/// What the header says the token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typ {
    /// `at+jwt` (RFC 9068 §2.1): an access token, and nothing else.
    AccessToken,
    /// `JWT`, or nothing.
    Jwt,
}

impl<'a> Token<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Reason> {
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::Malformed("not three parts"))?;
        let (header, claims) = message.split_once('.').ok_or(Reason::Malformed("not three parts"))?;
        if claims.contains('.') {
            return Err(Reason::Malformed("more than three parts"));
        }
        let header = Header::read(&object(header).ok_or(Reason::Malformed("header"))?)?;
        let claims = object(claims).ok_or(Reason::Malformed("claims"))?;
        Ok(Self { message, signature, header, claims })
    }
}

impl Header {
    fn read(header: &Map<String, Value>) -> Result<Self, Reason> {
        if ["crit", "b64", "enc", "zip"].iter().any(|name| header.contains_key(*name)) {
            return Err(Reason::Malformed("a header extension"));
        }
        let algorithm = match header.get("alg") {
            Some(Value::String(name)) => algorithm(name).ok_or(Reason::Algorithm)?,
            _ => return Err(Reason::Algorithm),
        };
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Some(kid.clone()),
            Some(_) => return Err(Reason::Malformed("kid")),
        };
        Ok(Self { algorithm, kid, typ: Typ::read(header.get("typ"))? })
    }
}

impl Typ {
    /// RFC 7515 §4.1.9: a media type, compared without regard to case, with `application/` left out or not.
    fn read(typ: Option<&Value>) -> Result<Self, Reason> {
        let typ = match typ {
            None => return Ok(Self::Jwt),
            Some(Value::String(typ)) => typ.to_ascii_lowercase(),
            Some(_) => return Err(Reason::Malformed("typ")),
        };
        match typ.strip_prefix("application/").unwrap_or(&typ) {
            "at+jwt" => Ok(Self::AccessToken),
            "jwt" => Ok(Self::Jwt),
            _ => Err(Reason::Kind("typ")),
        }
    }
}

/// The asymmetric signature algorithm of that exact name (RFC 7518 §3.1, RFC 8037, RFC 9864).
///
/// `none` and the HMAC family do not exist here, so no spelling of them can reach a key.
pub(crate) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// The JSON object in a base64url part.
fn object(part: &str) -> Option<Map<String, Value>> {
    let text = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<UniqueNames>(&text).ok().map(|object| object.0)
}

/// An object in which no name occurs twice (RFC 7519 §4): two readers could each see a different value.
struct UniqueNames(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = UniqueNames;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueNames, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name occurs twice"));
                    }
                }
                Ok(UniqueNames(object))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
