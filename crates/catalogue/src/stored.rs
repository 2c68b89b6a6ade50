//! Captures as the store keeps them, and which configuration a stored capture belongs to.

use aws_lc_rs::digest::{Context, SHA256};
use config::{Era, Outbound, Target, Transport};
use mcp::{Kind, Object, Raw, Version};
use store::{StoredItem, StoredName, StoredTarget};
use upstream::ServerFacts;

use crate::capture::Capture;

/// The capture of `target`, ready to be stored.
pub(crate) fn to_stored(
    target: &Target,
    capture: &Capture,
    captured_at: u64,
    names: Vec<StoredName>,
) -> StoredTarget {
    let facts = capture.facts.as_ref();
    let text = |raw: &Raw| raw.as_str().to_owned();
    let items = Kind::ALL.into_iter().flat_map(|kind| {
        capture.items(kind).iter().map(move |raw| StoredItem { kind, key: key(kind, raw), raw: text(raw) })
    });
    StoredTarget {
        target: target.name.clone(),
        fingerprint: fingerprint(target),
        captured_at: Some(captured_at),
        version: facts.map(|facts| facts.version.as_str().to_owned()),
        server_info: facts.and_then(|facts| facts.info.as_ref()).map(text),
        capabilities: facts.map(|facts| text(&facts.capabilities)),
        instructions: facts.and_then(|facts| facts.instructions.clone()),
        items: items.collect(),
        names,
    }
}

/// What was stored, as a capture. An entry that is no JSON any more is left out.
pub(crate) fn to_capture(stored: &StoredTarget) -> Capture {
    let mut capture = Capture { facts: facts(stored), ..Capture::default() };
    for item in &stored.items {
        capture.items_mut(item.kind).extend(Raw::parse(&item.raw));
    }
    capture
}

/// A digest of what decides which server a target is and what it may show. Secrets are not part of it.
pub(crate) fn fingerprint(target: &Target) -> String {
    let mut context = Context::new(&SHA256);
    let mut part = |text: &str| {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    };
    match &target.transport {
        Transport::Http { url, era } => {
            part("http");
            part(url.as_str());
            part(era_text(*era));
        }
        Transport::Stdio(stdio) => {
            part("stdio");
            part(&stdio.command);
            stdio.args.iter().for_each(|arg| part(arg));
            part(&stdio.cwd.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default());
            stdio.env.keys().for_each(|name| part(name));
            part(era_text(stdio.era));
        }
    }
    match &target.outbound {
        Outbound::None => part("none"),
        Outbound::Headers(headers) => headers.keys().for_each(|name| part(name)),
        Outbound::Assertion { audience } => part(audience),
    }
    context.finish().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn era_text(era: Era) -> &'static str {
    match era {
        Era::Auto => "auto",
        Era::Modern => "modern",
        Era::Legacy => "legacy",
    }
}

fn facts(stored: &StoredTarget) -> Option<ServerFacts> {
    Some(ServerFacts {
        version: stored.version.as_deref().and_then(Version::parse)?,
        capabilities: stored.capabilities.as_deref().and_then(Raw::parse)?,
        info: stored.server_info.as_deref().and_then(Raw::parse),
        instructions: stored.instructions.clone(),
    })
}

fn key(kind: Kind, raw: &Raw) -> String {
    Object::of(raw).and_then(|object| object.string(kind.item_key())).unwrap_or_default()
}
