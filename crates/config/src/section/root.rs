//! The top of the file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use url::Url;

use crate::address::{egress_rule, is_loopback, public_url, socket};
use crate::diagnostic::Problem;
use crate::form::many::{block, list, named};
use crate::form::scalar::plain_text;
use crate::form::section::Section;
use crate::model::{Egress, Gateway, Inbound, Snapshot};
use crate::section::limits::Shares;
use crate::section::{Front, gateway, limits};

const DATA_PORT: u16 = 8642;
const ADMIN_PORT: u16 = 8643;
const PATH_BYTES_MAX: usize = 4096;
const EGRESS_RULES_MAX: usize = 1000;

pub(crate) fn read(section: &mut Section<'_>) -> Option<Snapshot> {
    for key in ["credential_providers", "policy_engines"] {
        section.later(key);
    }
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = section.or("listen", "Where clients connect.", &socket(), loopback(DATA_PORT));
    let admin_listen = section
        .optional(
            "admin",
            "The admin listener: health and readiness.",
            &block(|section: &mut Section<'_>| {
                let doc = "Where the admin listener is. Keep it away from clients.";
                Some(section.or("listen", doc, &socket(), loopback(ADMIN_PORT)))
            }),
        )
        .unwrap_or_else(|| loopback(ADMIN_PORT));
    let public_url = section.optional(
        "public_url",
        "The origin clients use; `http://{listen}` by default.",
        &public_url(),
    );
    let data_dir = section.or(
        "data_dir",
        "Where the database and the keyring live; a relative path starts at the folder of this file.",
        &plain_text(PATH_BYTES_MAX),
        "./portcullis-data".to_owned(),
    );
    let limits =
        section.optional("limits", "Bounds on everything that comes from outside.", &block(limits::read));
    let egress = section.optional(
        "egress",
        "Exceptions for URLs learned from servers, tokens or documents, which must otherwise be public and https.",
        &block(|section: &mut Section<'_>| {
            let doc = "Host names or address blocks that learned URLs may point to.";
            section.optional("allow", doc, &list(egress_rule(), EGRESS_RULES_MAX))
        }),
    );
    let front = Front { listen, public_url: public_url.or_else(|| default_public_url(listen))? };
    let gateways = section.required(
        "gateways",
        "The gateways, by name. Each is a virtual MCP server at `{public_url}/{name}/mcp`.",
        &named(crate::name::gateways(), |name, section| gateway::read(name, section, &front)),
        "write at least one gateway",
    );
    check(section, &front, admin_listen);
    let gateways = gateways?;
    let limits = limits.unwrap_or_default();
    let knows_callers = gateways.iter().any(|gateway: &Gateway| matches!(gateway.inbound, Inbound::Jwt(_)));
    for problem in limits::out_of_proportion(&limits, knows_callers.then_some(Shares)) {
        section.warn("limits", problem);
    }
    if gateways.is_empty() {
        section.error("gateways", Problem::new("must not be empty").help("write at least one gateway"));
    }
    Some(Snapshot {
        listen,
        admin_listen,
        public_url: front.public_url,
        data_dir: PathBuf::from(data_dir),
        limits,
        egress: Egress { allow: egress.unwrap_or_default() },
        gateways,
    })
}

/// The origin clients use where none is written.
pub(crate) fn default_public_url(listen: SocketAddr) -> Option<Url> {
    Url::parse(&format!("http://{listen}")).ok()
}

/// What only shows when the keys are seen together.
fn check(section: &Section<'_>, front: &Front, admin_listen: SocketAddr) {
    if front.listen == admin_listen && front.listen.port() != 0 {
        let problem = Problem::new(format!("is the same address as `listen`: {admin_listen}"));
        section.error("admin", problem.help("give the admin listener a port of its own"));
    }
    if !admin_listen.ip().is_loopback() {
        let problem =
            Problem::new("the admin listener asks for no credentials and is not on a loopback address");
        section.warn("admin", problem.help("listen on 127.0.0.1, or let nobody but operators reach it"));
    }
    if !section.has("public_url") && front.listen.ip().is_unspecified() {
        let problem = Problem::new(format!("clients cannot connect to {}", front.public_url));
        section.warn("listen", problem.help("write `public_url`, the origin clients use"));
    } else if front.public_url.scheme() == "http" && !is_loopback(&front.public_url) {
        let problem = Problem::new("tokens travel unencrypted to an http URL");
        section.warn("public_url", problem.help("put TLS in front and write an https URL"));
    }
}
