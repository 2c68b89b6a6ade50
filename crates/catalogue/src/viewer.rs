//! For whom a dynamic listing was made: a principal, and what they were granted at the time.

use aws_lc_rs::digest::{Context, SHA256};
use identity::Principal;

/// Binds a dynamic listing to a principal and their grants. Two principals never have the same one; one principal has
/// another as soon as scopes or claims change, so a list made for a manager is not shown to a former manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Viewer([u8; 32]);

/// Claims that are new in each token and grant nothing.
const PER_TOKEN: [&str; 9] = ["exp", "iat", "nbf", "jti", "auth_time", "nonce", "at_hash", "c_hash", "sid"];

impl Viewer {
    pub(crate) fn of(principal: &Principal) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(principal.key().as_bytes());
        let mut part = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        part(&principal.scopes().len().to_string());
        principal.scopes().iter().for_each(|scope| part(scope));
        let lasting = principal.claims().iter().filter(|(name, _)| !PER_TOKEN.contains(&name.as_str()));
        for (name, value) in lasting {
            part(name);
            part(&value.to_string());
        }
        let mut viewer = [0; 32];
        viewer.copy_from_slice(context.finish().as_ref());
        Self(viewer)
    }
}
