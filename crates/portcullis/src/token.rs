//! `portcullis token`: an access token of the embedded development issuer, for trying things out.

use std::process::ExitCode;

use clock::Clock;
use config::{Inbound, Issuer, JwtAuthorizer, Snapshot};
use samples::dev_issuer::{Claims, DevIssuer, parse_claim};
use serde_json::Value;

use crate::cli::Token;
use crate::failure::Failure;
use crate::{environment, print};

/// Prints a token.
///
/// # Errors
/// No gateway of the configuration takes tokens of the development issuer, or it cannot be opened.
pub fn run(arguments: &Token) -> Result<ExitCode, Failure> {
    let snapshot = environment::load(&arguments.config)?.snapshot;
    let audiences = match arguments.audiences.as_slice() {
        [] => own_audiences(&snapshot)?,
        written => written.to_vec(),
    };
    let failed = |error: &dyn std::fmt::Display| Failure::of("the development issuer gives no token", error);
    let issuer = DevIssuer::open(&snapshot.data_dir, &snapshot.public_url).map_err(|error| failed(&error))?;
    let claims = Claims {
        subject: arguments.sub.clone(),
        audiences,
        client: arguments.client.clone(),
        scopes: arguments.scopes.clone(),
        extra: arguments.claims.iter().map(|text| claim(text)).collect::<Result<_, _>>()?,
        lifetime: arguments.lifetime,
    };
    let token = issuer.token(claims, Clock::system().now()).map_err(|error| failed(&error))?;
    print::line(&token)?;
    Ok(ExitCode::SUCCESS)
}

/// The URLs of every gateway that takes the development issuer's tokens.
fn own_audiences(snapshot: &Snapshot) -> Result<Vec<String>, Failure> {
    let takes = |inbound: &Inbound| match inbound {
        Inbound::None => false,
        Inbound::Jwt(authorizers) => {
            authorizers.iter().any(|JwtAuthorizer { issuer, .. }| *issuer == Issuer::Dev)
        }
    };
    let own: Vec<String> = snapshot
        .gateways
        .iter()
        .filter(|gateway| takes(&gateway.inbound))
        .map(|gateway| gateway.url(&snapshot.public_url))
        .collect();
    if own.is_empty() {
        let sentence = "no gateway takes tokens of the development issuer; write `inbound: { jwt: { issuer: dev } }` for one";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    Ok(own)
}

fn claim(text: &str) -> Result<(String, Value), Failure> {
    parse_claim(text).map_err(|error| Failure::Usage(error.to_string()))
}
