//! What the gateway answers when it does not get as far as a JSON-RPC exchange: the one place that turns a refusal into a
//! status, headers and a body.

use http::{HeaderValue, Response, StatusCode, header};
use identity::Challenge;
use mcp::code::{
    ErrorObject, INTERNAL_ERROR, INVALID_REQUEST, LEGACY_REFUSED, LEGACY_SESSION_NOT_FOUND, QUOTA,
    UNAVAILABLE,
};
use mcp::{Id, Malformed};
use net::{Body, BodyError, Forbidden};

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Refusal {
    /// No gateway or document lives at this path.
    NoSuchPath,
    /// The Host or Origin header is not one that this listener serves.
    Forbidden(Forbidden),
    /// The caller is not, or not sufficiently, authenticated.
    Unauthenticated(Challenge),
    /// The endpoint does not take this HTTP method.
    MethodNotAllowed(&'static str),
    /// The client takes no JSON.
    NotAcceptable,
    /// The body is not declared as JSON, or is encoded.
    UnsupportedMediaType,
    /// The body could not be read.
    Body(BodyError),
    /// The body is not a message.
    Malformed(Malformed),
    /// A message of its kind does not belong here.
    Misplaced(&'static str),
    /// The `MCP-Protocol-Version` header of a legacy request names no revision of this gateway's.
    BadVersion(String),
    /// A legacy request that needs a session names none.
    NoSession,
    /// The session is unknown, over, or somebody else's; nobody learns which.
    UnknownSession,
    /// A modern request that is not as its revision demands.
    Invalid(Option<Id>, ErrorObject),
    /// As many requests are in progress as may be.
    Overloaded,
    /// The principal has used up what it may have.
    Quota(String),
}

impl Refusal {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let status = self.status();
        let mut response = match self.error() {
            Some((id, error)) => json(error.response(id.as_ref())),
            None => Response::new(Body::empty()),
        };
        *response.status_mut() = status;
        self.headers(response.headers_mut());
        response
    }

    /// What it says, for one member of a batch.
    #[must_use]
    pub fn to_error(&self) -> ErrorObject {
        self.error().map_or_else(internal, |(_, error)| error)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::UnknownSession => StatusCode::NOT_FOUND,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unauthenticated(challenge) => challenge.status,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType | Self::Body(BodyError::Encoded) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::Timeout { .. }) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::Broken(_))
            | Self::Malformed(_)
            | Self::Misplaced(_)
            | Self::BadVersion(_)
            | Self::NoSession
            | Self::Invalid(..) => StatusCode::BAD_REQUEST,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Quota(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn error(&self) -> Option<(Option<Id>, ErrorObject)> {
        let error = match self {
            Self::NoSuchPath => ErrorObject::new(
                INVALID_REQUEST,
                "Nothing lives at this path. A gateway is at `/NAME/mcp`, and at `/mcp` where there is only one; `portcullis serve` prints the addresses.",
            ),
            Self::Forbidden(why) => {
                ErrorObject::new(INVALID_REQUEST, format!("The request was refused: {why}."))
            }
            // The challenge says it all; a body would only help a forger.
            Self::Unauthenticated(_) => return None,
            Self::MethodNotAllowed(allowed) => ErrorObject::new(
                LEGACY_REFUSED,
                format!("This endpoint does not take this HTTP method here; it takes {allowed}."),
            ),
            Self::NotAcceptable => ErrorObject::new(
                LEGACY_REFUSED,
                "The client must accept `application/json` and `text/event-stream`; name both in `Accept`.",
            ),
            Self::UnsupportedMediaType => ErrorObject::new(
                LEGACY_REFUSED,
                "The body must be sent as `Content-Type: application/json`, not encoded.",
            ),
            Self::Body(error) => {
                ErrorObject::new(INVALID_REQUEST, format!("The body was not read: {error}."))
            }
            Self::Malformed(malformed) => malformed.to_error(),
            Self::Misplaced(why) => ErrorObject::new(INVALID_REQUEST, *why),
            Self::BadVersion(header) => ErrorObject::new(
                LEGACY_REFUSED,
                format!("The header `MCP-Protocol-Version: {header}` names no revision that is spoken here."),
            ),
            Self::NoSession => ErrorObject::new(
                LEGACY_REFUSED,
                "The request needs a session: send `initialize` first, then its `Mcp-Session-Id` with every request.",
            ),
            Self::UnknownSession => ErrorObject::new(
                LEGACY_SESSION_NOT_FOUND,
                "The session does not exist; send `initialize` again.",
            ),
            Self::Invalid(id, error) => return Some((id.clone(), error.clone())),
            Self::Overloaded => ErrorObject::new(
                UNAVAILABLE,
                "As many requests are in progress as `limits.in_flight` allows; try again shortly.",
            ),
            Self::Quota(why) => ErrorObject::new(QUOTA, why.clone()),
        };
        Some((None, error))
    }

    fn headers(self, headers: &mut http::HeaderMap) {
        match self {
            Self::Unauthenticated(challenge) => {
                if let Ok(challenge) = HeaderValue::try_from(challenge.www_authenticate) {
                    headers.insert(header::WWW_AUTHENTICATE, challenge);
                }
            }
            Self::MethodNotAllowed(allowed) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Overloaded | Self::Quota(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The rest of a body that was not read stands in the way of the next request.
            Self::Body(_) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
    }
}

/// A response with a JSON body.
#[must_use]
pub fn json(payload: mcp::Payload) -> Response<Body> {
    let mut response = Response::new(Body::chunks(payload.into_pieces()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What a client is told when the gateway itself is at fault.
#[must_use]
pub fn internal() -> ErrorObject {
    ErrorObject::new(INTERNAL_ERROR, "The gateway failed; ask its operator, with the time of this request.")
}
