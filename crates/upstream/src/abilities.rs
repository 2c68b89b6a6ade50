//! What a client can be asked in the middle of a call.
//!
//! Read from the capabilities that the client declared, and never more than those. Two callers whose abilities differ
//! never share a session with a legacy server, which learns them once, at `initialize`.

use mcp::{Edit, Object, Raw};
use serde_json::{Map, Value, json};

#[cfg(test)]
mod tests;

/// A set of things that a client can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Abilities(u8);

impl Abilities {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// To fill in a form (`elicitation`, or `elicitation.form`).
    pub const FORM: Self = Self(1);
    /// To open an address (`elicitation.url`).
    pub const URL: Self = Self(1 << 1);
    /// To have its model generate (`sampling`).
    pub const SAMPLING: Self = Self(1 << 2);
    /// To let the model use tools meanwhile (`sampling.tools`).
    pub const TOOLS: Self = Self(1 << 3);
    /// To give the model what other servers said (`sampling.context`).
    pub const CONTEXT: Self = Self(1 << 4);
    /// To tell its roots (`roots`).
    pub const ROOTS: Self = Self(1 << 5);

    /// What a client with these `capabilities` can be asked. An `elicitation` that names no mode means forms, as it did
    /// before there was another (MCP 2025-11-25, Elicitation).
    #[must_use]
    pub fn of(capabilities: &Raw) -> Self {
        let Some(declared) = Object::of(capabilities).filter(|declared| !declared.is_empty()) else {
            return Self::NONE;
        };
        let mut all = Self::NONE;
        if let Some(elicitation) = declared.object("elicitation") {
            let (form, url) = (elicitation.get("form").is_some(), elicitation.get("url").is_some());
            all = all.with_if(url, Self::URL).with_if(form || !url, Self::FORM);
        }
        if let Some(sampling) = declared.object("sampling") {
            all = all
                .with(Self::SAMPLING)
                .with_if(sampling.get("tools").is_some(), Self::TOOLS)
                .with_if(sampling.get("context").is_some(), Self::CONTEXT);
        }
        all.with_if(declared.object("roots").is_some(), Self::ROOTS)
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The capabilities that say just this.
    #[must_use]
    pub fn to_capabilities(self) -> Value {
        let mut all = Map::new();
        let part = |ability: Self, key: &str| self.contains(ability).then(|| (key.to_owned(), json!({})));
        if self.contains(Self::FORM) || self.contains(Self::URL) {
            let modes: Map<_, _> =
                [part(Self::FORM, "form"), part(Self::URL, "url")].into_iter().flatten().collect();
            all.insert("elicitation".to_owned(), Value::Object(modes));
        }
        if self.contains(Self::SAMPLING) {
            let more = [part(Self::TOOLS, "tools"), part(Self::CONTEXT, "context")];
            all.insert("sampling".to_owned(), Value::Object(more.into_iter().flatten().collect()));
        }
        all.extend(part(Self::ROOTS, "roots"));
        Value::Object(all)
    }

    fn with_if(self, condition: bool, other: Self) -> Self {
        if condition { self.with(other) } else { self }
    }
}

/// `capabilities` of a client that cannot be asked anything, whatever it declared.
#[must_use]
pub fn unasked(capabilities: &Raw) -> Raw {
    limited(capabilities, Abilities::of(capabilities), Abilities::NONE)
}

/// The result of `roots/list` that the operator wrote for a target; `None`: its client is to be asked.
pub(crate) fn roots(target: &config::Target) -> Option<Raw> {
    let root = |uri: &String| json!({ "uri": uri });
    let roots: Vec<_> = target.roots.iter().map(root).collect();
    (!roots.is_empty()).then(|| Raw::value(&json!({ "roots": roots })))
}

/// What a target may not ask of anybody, whatever they declare.
pub(crate) fn withheld(target: &config::Target) -> Abilities {
    match target.sampling {
        Some(_) => Abilities::NONE,
        None => Abilities::SAMPLING.with(Abilities::TOOLS).with(Abilities::CONTEXT),
    }
}

/// What the gateway itself can be asked by a target.
pub(crate) fn own(target: &config::Target) -> Abilities {
    if target.roots.is_empty() { Abilities::NONE } else { Abilities::ROOTS }
}

/// `capabilities` that say `declared`, without what is not among `allowed`, and with roots where only the gateway knows some.
pub(crate) fn limited(capabilities: &Raw, declared: Abilities, allowed: Abilities) -> Raw {
    let object = Object::of(capabilities).unwrap_or_else(Object::empty);
    let has = |key: &str| object.get(key).is_some();
    let elicits = allowed.contains(Abilities::FORM) || allowed.contains(Abilities::URL);
    let mut edit = Edit::of(&object);
    if has("elicitation") && !elicits {
        edit = edit.remove("elicitation");
    }
    if has("sampling") && !allowed.contains(Abilities::SAMPLING) {
        edit = edit.remove("sampling");
    }
    if has("roots") && !allowed.contains(Abilities::ROOTS) {
        edit = edit.remove("roots");
    }
    if allowed.contains(Abilities::ROOTS) && !declared.contains(Abilities::ROOTS) {
        edit = edit.set("roots", &b"{}"[..]);
    }
    edit.finish().into_raw()
}
