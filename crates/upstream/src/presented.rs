//! What a server is told of its client's capabilities: what the client declared, without what the gateway does not carry. Pure.

use std::sync::LazyLock;

use mcp::{Edit, Era, Object, Raw, meta};

use crate::Caller;

#[cfg(test)]
mod tests;

/// The extensions of a client that declared none, and whose tasks the gateway looks after.
static AWAITED: LazyLock<Raw> = LazyLock::new(|| Raw::value(&serde_json::json!({ (meta::TASKS): {} })));

/// Whether a server is told that its client knows tasks (`io.modelcontextprotocol/tasks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tasks {
    /// If the client declared that.
    AsDeclared,
    /// Yes: the gateway looks after them for a client that does not know this kind of task.
    Awaited,
    /// No: client or server does not speak of tasks in this way.
    Withheld,
}

impl Tasks {
    /// Those of a client for whom the gateway looks after none.
    pub(crate) fn of(caller: Option<&Caller>) -> Self {
        match caller.map(|caller| caller.era) {
            Some(Era::Legacy) => Self::Withheld,
            Some(Era::Modern) | None => Self::AsDeclared,
        }
    }
}

/// `capabilities` as a server may see them: without what the gateway does not carry.
#[must_use]
pub(crate) fn presentable(capabilities: &Raw, tasks: Tasks) -> Raw {
    let object = Object::of(capabilities).unwrap_or_else(Object::empty);
    if object.is_empty() && tasks != Tasks::Awaited {
        return object.text().clone();
    }
    let (roots, extensions) = (object.object("roots"), object.object("extensions"));
    let mut edit = Edit::of(&object).remove("tasks");
    // The gateway does not pass on that they changed.
    if let Some(roots) = roots.as_ref().filter(|roots| roots.has("listChanged")) {
        edit = edit.set("roots", Edit::of(roots).remove("listChanged").finish());
    }
    let knows = extensions.as_ref().is_some_and(|extensions| extensions.has(meta::TASKS));
    match (tasks, &extensions) {
        (Tasks::Withheld, Some(extensions)) if knows => {
            edit = edit.set("extensions", Edit::of(extensions).remove(meta::TASKS).finish());
        }
        (Tasks::Awaited, Some(extensions)) => {
            edit = edit.set("extensions", Edit::of(extensions).set(meta::TASKS, &b"{}"[..]).finish());
        }
        (Tasks::Awaited, None) => edit = edit.set("extensions", AWAITED.clone()),
        (Tasks::AsDeclared | Tasks::Withheld, _) => {}
    }
    edit.finish().into_raw()
}
