//! Who may come in at one gateway.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::{Audiences, Inbound, JwtAuthorizer};
use http::HeaderMap;

use crate::bearer;
use crate::challenge::{Challenge, Reason, Rejection};
use crate::claims::{self, Audience};
use crate::error::IdentityError;
use crate::jose::{Token, Typ};
use crate::key_source::{KeySource, Published};
use crate::key_sources::KeySources;
use crate::metadata::{Document, Resource};
use crate::names::Names;
use crate::principal::Principal;
use crate::verified_cache::{Entry, TokenDigest, VerifiedCache};

/// Turns the credential of a request into a [`Principal`], by one gateway's `inbound`.
pub struct Authenticator {
    door: Door,
    /// What the challenge asks for: the scopes that all authorizers need alike.
    scopes: Vec<String>,
    verified: VerifiedCache,
}

enum Door {
    /// `inbound: none`.
    Open(Arc<Principal>),
    /// The token's `iss` selects; what the selected one refuses, no other is asked about.
    Jwt(Vec<Authorizer>),
}

struct Authorizer {
    source: KeySource,
    /// Whether the issuer marks all its access tokens `at+jwt`.
    typ: Option<Typ>,
    audience: Audience,
    clients: Vec<String>,
    scopes: Vec<String>,
}

impl Authenticator {
    /// The authenticator of a gateway that is reached under these URLs. The first is its own; a token for any of
    /// them is for this gateway.
    ///
    /// # Errors
    /// `inbound` names an issuer that cannot be used, or one twice, or a scope that is none.
    pub fn new(
        inbound: &Inbound,
        resources: &[Resource],
        sources: &KeySources,
    ) -> Result<Self, IdentityError> {
        let door = match inbound {
            Inbound::None => Door::Open(Arc::new(Principal::anonymous())),
            Inbound::Jwt(written) => Door::Jwt(
                written
                    .iter()
                    .map(|one| Authorizer::new(one, resources, sources))
                    .collect::<Result<_, _>>()?,
            ),
        };
        if let Door::Jwt(authorizers) = &door {
            refuse_duplicates(authorizers)?;
        }
        let scopes = common_scopes(&door);
        Ok(Self { door, scopes, verified: VerifiedCache::new() })
    }

    /// The principal of a request, by its headers.
    ///
    /// # Errors
    /// Why there is none; [`Authenticator::challenge`] is the answer to it.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Rejection> {
        let authorizers = match &self.door {
            Door::Open(anonymous) => return Ok(anonymous.clone()),
            Door::Jwt(authorizers) => authorizers,
        };
        let token = bearer::token(headers)?;
        let digest = VerifiedCache::digest(token);
        if let Some(principal) = self.remembered(authorizers, &digest, now) {
            return Ok(principal);
        }
        let parsed = Token::parse(token)?;
        let iss = parsed.claims.get("iss").and_then(serde_json::Value::as_str).ok_or(Reason::Claim("iss"))?;
        let (position, authorizer) = authorizers
            .iter()
            .enumerate()
            .find(|(_, authorizer)| authorizer.source.is_issuer(iss))
            .ok_or_else(|| unknown_issuer(iss, authorizers))?;
        let (principal, keys) = authorizer.verify(parsed, now).await?;
        let principal = Arc::new(principal);
        let entry = Entry {
            principal: principal.clone(),
            authorizer: position,
            keys: keys.keys.digest(),
            verified_at: now,
            token_bytes: token.len(),
        };
        self.verified.insert(digest, entry);
        Ok(principal)
    }

    /// The answer to a rejection of a request to `resource`.
    #[must_use]
    pub fn challenge(&self, rejection: &Rejection, resource: &Resource) -> Challenge {
        rejection.challenge(resource, &self.scopes)
    }

    /// The protected-resource metadata of `resource` (RFC 9728 §2), as JSON; `None` where no token is asked for.
    pub async fn resource_metadata(&self, resource: &Resource, name: &str, now: SystemTime) -> Option<Bytes> {
        let Door::Jwt(authorizers) = &self.door else { return None };
        let mut authorization_servers = Vec::with_capacity(authorizers.len());
        for authorizer in authorizers {
            // Whether a discovered issuer ends in a slash is known once its document was read.
            let _ = authorizer.source.keys(now).await;
            authorization_servers.push(authorizer.source.issuer());
        }
        let document = Document {
            resource: resource.url(),
            authorization_servers,
            bearer_methods_supported: ["header"],
            scopes_supported: &self.scopes,
            resource_name: name,
        };
        Some(document.to_bytes())
    }

    /// The principal of a token verified a moment ago with keys that its issuer still publishes.
    fn remembered(
        &self,
        authorizers: &[Authorizer],
        token: &TokenDigest,
        now: SystemTime,
    ) -> Option<Arc<Principal>> {
        let entry = self.verified.get(token, now)?;
        let keys = authorizers.get(entry.authorizer)?.source.at_hand(now)?;
        (keys.keys.digest() == entry.keys).then(|| entry.principal.clone())
    }
}

impl Authorizer {
    fn new(
        written: &JwtAuthorizer,
        resources: &[Resource],
        sources: &KeySources,
    ) -> Result<Self, IdentityError> {
        if let Some(scope) = written.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(IdentityError::Scope { scope: scope.clone() });
        }
        let audience = match &written.audiences {
            Audiences::Own => Audience::OneOf(resources.iter().map(|own| own.url().to_owned()).collect()),
            Audiences::Listed(audiences) => Audience::OneOf(audiences.clone()),
            Audiences::Unchecked => Audience::Unchecked,
        };
        Ok(Self {
            source: sources.source(&written.issuer)?,
            typ: (written.issuer == config::Issuer::Dev).then_some(Typ::AccessToken),
            audience,
            clients: written.clients.clone(),
            scopes: written.scopes.clone(),
        })
    }

    /// Signature first, then everything else: an unsigned claim decides nothing but which keys are asked.
    async fn verify(
        &self,
        token: Token<'_>,
        now: SystemTime,
    ) -> Result<(Principal, Arc<Published>), Rejection> {
        if self.typ.is_some_and(|typ| token.header.typ != typ) {
            return Err(Reason::Kind("typ").into());
        }
        let mut published = self.source.keys(now).await.ok_or(Reason::KeysUnavailable)?;
        if published.keys.lacks(&token.header) {
            published = self.source.newer_keys(now).await.ok_or(Reason::Key)?;
        }
        published.keys.verify(&token)?;
        let verified = claims::judge(&published.issuer, token.claims, &self.audience, now)?;
        let known = |client: &String| self.clients.contains(client);
        if !self.clients.is_empty() && !verified.client.as_ref().is_some_and(known) {
            return Err(Reason::Client.into());
        }
        if !self.scopes.iter().all(|scope| verified.scopes.contains(scope)) {
            return Err(Rejection::InsufficientScope { needed: self.scopes.clone() });
        }
        Ok((verified.into(), published))
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self::InvalidToken(reason)
    }
}

fn unknown_issuer(iss: &str, authorizers: &[Authorizer]) -> Reason {
    let known: Vec<_> = authorizers.iter().map(|authorizer| authorizer.source.issuer()).collect();
    Reason::Issuer { token: Names::of([iss]), known: Names::of(known.iter().map(String::as_str)) }
}

fn refuse_duplicates(authorizers: &[Authorizer]) -> Result<(), IdentityError> {
    for (position, authorizer) in authorizers.iter().enumerate() {
        let issuer = authorizer.source.issuer();
        if authorizers[..position].iter().any(|earlier| earlier.source.is_issuer(&issuer)) {
            return Err(IdentityError::DuplicateIssuer { issuer });
        }
    }
    Ok(())
}

/// With several issuers, nobody can say which one a client without a token will choose.
fn common_scopes(door: &Door) -> Vec<String> {
    match door {
        Door::Jwt(authorizers) => match authorizers.split_first() {
            Some((first, rest)) if rest.iter().all(|other| other.scopes == first.scopes) => {
                first.scopes.clone()
            }
            _ => Vec::new(),
        },
        Door::Open(_) => Vec::new(),
    }
}

/// RFC 6749 §3.3: `scope-token`.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
