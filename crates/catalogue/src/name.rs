//! The names clients see: `target___tool`, cut and cleaned so that every client's model accepts them.
//!
//! A name is made, never taken apart: which target and which of its names one stands for is looked up in a table.

use aws_lc_rs::digest::{Context, SHA256};
use config::{Gateway, Prefix, Target};

/// The longest name model APIs accept, in characters.
pub const LENGTH_MAX: usize = 64;

/// Hex digits of the suffix that keeps changed names apart.
const SUFFIX_DIGITS: usize = 6;

/// The name under which clients see `name` of `target`: always `^[a-zA-Z0-9_-]{1,64}$` for a non-empty name.
///
/// The name is kept as it is when it fits. Otherwise other characters become `_`, the end is cut, and `_` with six hex
/// digits of SHA-256 over target, NUL and the server's own name is put behind it, so that two names which differ
/// only in what was changed stay apart, and stay the same for ever.
#[must_use]
pub fn exposed(gateway: &Gateway, target: &Target, name: &str) -> String {
    let whole = match target.prefix {
        Prefix::Target => format!("{}{}{name}", target.name, gateway.separator),
        Prefix::None => name.to_owned(),
    };
    if whole.len() <= LENGTH_MAX && whole.bytes().all(is_plain) {
        return whole;
    }
    let kept = LENGTH_MAX - SUFFIX_DIGITS - 1;
    let mut cleaned: String = whole.chars().take(kept).map(clean).collect();
    cleaned.push('_');
    cleaned.push_str(&suffix(&target.name, name));
    cleaned
}

/// The target other than `target` whose prefixed names `exposed` would pass for.
///
/// Only a target without a prefix can list such a name; as a newcomer it may not.
#[must_use]
pub fn foreign_prefix<'a>(gateway: &'a Gateway, target: &Target, exposed: &str) -> Option<&'a str> {
    if target.prefix == Prefix::Target {
        return None;
    }
    let prefixed = |other: &&Target| other.prefix == Prefix::Target && other.name != target.name;
    let claims = |other: &&Target| {
        exposed.strip_prefix(other.name.as_str()).is_some_and(|rest| rest.starts_with(&gateway.separator))
    };
    gateway.targets.iter().filter(prefixed).find(claims).map(|other| other.name.as_str())
}

/// Whether a name that no list showed could be one of `target`'s, so that asking the target may find it.
#[must_use]
pub fn could_be_of(gateway: &Gateway, target: &Target, exposed: &str) -> bool {
    match target.prefix {
        Prefix::Target => exposed.starts_with(&exposed_prefix(gateway, target)),
        Prefix::None => foreign_prefix(gateway, target, exposed).is_none(),
    }
}

/// Whether the text holds a character that is not seen: controls, zero width, direction marks, tags, fillers.
///
/// A person who approves a call by its name must see the whole name.
#[must_use]
pub fn has_hidden_characters(text: &str) -> bool {
    text.chars().any(|letter| {
        letter.is_control()
            || matches!(letter,
                '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
                | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
    })
}

fn exposed_prefix(gateway: &Gateway, target: &Target) -> String {
    target.name.chars().chain(gateway.separator.chars()).map(clean).collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn clean(letter: char) -> char {
    let plain = u8::try_from(letter).is_ok_and(is_plain);
    if plain { letter } else { '_' }
}

fn suffix(target: &str, name: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(target.as_bytes());
    context.update(&[0]);
    context.update(name.as_bytes());
    let digest = context.finish();
    let hex = digest.as_ref().iter().take(SUFFIX_DIGITS / 2).map(|byte| format!("{byte:02x}"));
    hex.collect()
}
