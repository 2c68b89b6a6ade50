//! Where a token may be, and where not: in exactly one `Authorization: Bearer` header (RFC 6750 §2.1).

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use url::form_urlencoded;

use crate::challenge::{Reason, Rejection};

/// The longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

const SCHEME: &[u8] = b"bearer ";

/// Whether the query string carries a token. Such a request is refused unseen, and its URL never logged:
/// query strings end up in logs and `Referer` headers.
#[must_use]
pub fn query_has_token(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).any(|(name, _)| name.eq_ignore_ascii_case("access_token"))
}

/// The token of the request.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Rejection::NoToken)?.as_bytes();
    if values.next().is_some() {
        // Which of them another hop would read is anybody's guess.
        return Err(Rejection::Malformed("more than one Authorization header"));
    }
    let (scheme, token) = value.split_at_checked(SCHEME.len()).ok_or(Rejection::NoToken)?;
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(SCHEME) || token.is_empty() {
        return Err(Rejection::NoToken);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Rejection::InvalidToken(Reason::TooLong));
    }
    let text = str::from_utf8(token).ok().filter(|text| text.bytes().all(is_b64token));
    text.ok_or(Rejection::InvalidToken(Reason::Malformed("not a b64token")))
}

/// RFC 6750 §2.1.
fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> Result<String, Rejection> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn takes_the_one_bearer_token() {
        assert_eq!(of(&["Bearer a.b.c"]).unwrap(), "a.b.c");
        assert_eq!(of(&["bEARER  a.b.c "]).unwrap(), "a.b.c");
    }

    #[test]
    fn another_scheme_or_an_empty_token_is_no_token() {
        for value in ["Basic YTpi", "Bearer", "Bearer ", "Bearera.b.c", "DPoP a.b.c", ""] {
            assert!(matches!(of(&[value]), Err(Rejection::NoToken)), "{value:?}");
        }
        assert!(matches!(of(&[]), Err(Rejection::NoToken)));
    }

    #[test]
    fn two_headers_are_a_bad_request() {
        assert!(matches!(of(&["Bearer a", "Bearer a"]), Err(Rejection::Malformed(_))));
        assert!(matches!(of(&["Bearer a", "Basic b"]), Err(Rejection::Malformed(_))));
    }

    #[test]
    fn a_token_of_foreign_characters_or_too_many_is_invalid() {
        let long = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1));
        for value in ["Bearer a, Bearer b", "Bearer a b", "Bearer {\"a\"}", &long] {
            assert!(matches!(of(&[value]), Err(Rejection::InvalidToken(_))), "{value:.40}");
        }
    }

    #[test]
    fn finds_a_token_in_the_query_however_it_is_spelled() {
        for query in
            ["access_token=x", "a=1&access_token", "%61ccess_token=x", "ACCESS_TOKEN=x", "access%5Ftoken="]
        {
            let uri: Uri = format!("/corp/mcp?{query}").parse().unwrap();
            assert!(query_has_token(&uri), "{query}");
        }
        for target in ["/corp/mcp", "/corp/mcp?token=1&xaccess_token=2", "/access_token=1"] {
            assert!(!query_has_token(&target.parse().unwrap()), "{target}");
        }
    }
}
