//! The sample users, and their tokens from the development issuer.

use std::time::{Duration, SystemTime};

use samples::dev_issuer::Claims;
use serde_json::{Map, Value, json};

use crate::assemble::House;
use crate::failure::Failure;

/// Long enough for a day of trying things out.
pub const TOKEN_HOURS: u64 = 12;

/// Who takes a step of the tour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A manager.
    Alice,
    /// Not a manager.
    Bob,
    /// Somebody without a token.
    Nobody,
}

/// The users' tokens.
pub struct People {
    alice: String,
    bob: String,
}

impl People {
    /// The users, with tokens for the gateway at `audience`.
    ///
    /// # Errors
    /// The development issuer gives none.
    pub fn with_tokens(house: &House, audience: &str, now: SystemTime) -> Result<Self, Failure> {
        let token = |subject: &str, claims: Value| token(house, audience, now, subject, claims);
        let manager = json!({
            "name": "Alice Adams", "email": "alice@corp.example", "roles": ["manager"], "groups": ["finance", "legal"],
        });
        let engineer = json!({
            "name": "Bob Brown", "email": "bob@corp.example", "roles": ["engineer"], "groups": ["operations"],
        });
        Ok(Self { alice: token("alice", manager)?, bob: token("bob", engineer)? })
    }

    /// The token of somebody who has one.
    pub fn token(&self, who: Who) -> Option<&str> {
        match who {
            Who::Alice => Some(&self.alice),
            Who::Bob => Some(&self.bob),
            Who::Nobody => None,
        }
    }
}

fn token(
    house: &House,
    audience: &str,
    now: SystemTime,
    subject: &str,
    claims: Value,
) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::of("the development issuer gives no token", why);
    let issuer = house.dev_issuer().ok_or_else(|| failed(&"it does not run"))?;
    let extra: Map<String, Value> = claims.as_object().cloned().unwrap_or_default();
    let claims = Claims {
        subject: subject.to_owned(),
        audiences: vec![audience.to_owned()],
        client: "portcullis-demo".to_owned(),
        scopes: Vec::new(),
        extra,
        lifetime: Duration::from_secs(TOKEN_HOURS * 3600),
    };
    issuer.token(claims, now).map_err(|error| failed(&error))
}
