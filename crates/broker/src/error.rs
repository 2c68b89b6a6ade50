//! Why there is no credential. Nothing ever falls back to another one.

/// The server cannot be called, because the credential it needs cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// A configured header is not one HTTP can carry. The value is not shown: it is a secret.
    #[error(
        "the outbound header `{name}` has a name or value that HTTP cannot carry: correct it in `outbound.headers`"
    )]
    Header {
        /// The configured name.
        name: String,
    },
    /// The credential is about a caller, and the gateway acts on its own behalf (a sync, a probe).
    #[error(
        "the server wants a credential of a caller and there is none: use `listing: dynamic`, so that it is asked \
         only on behalf of users"
    )]
    NeedsCaller,
    /// The caller is nobody in particular, and an assertion names somebody.
    #[error("the server wants to know the user, and this gateway lets everybody in: replace `inbound: none`")]
    Anonymous,
    /// The caller's own credential has ended; none that outlives it is made.
    #[error("your access token has expired: sign in again")]
    CallerExpired,
}
