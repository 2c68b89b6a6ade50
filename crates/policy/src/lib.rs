//! Principal + operation → [`Permit`] or [`Denial`].
//!
//! A decision is made from its arguments alone: no I/O, no HTTP, no clock of its own. Listing and calling ask the same
//! function, so what is hidden cannot be called. Only this room can make a [`Permit`], and nothing is
//! dispatched to a server without one.

use std::sync::Arc;

use identity::{Principal, PrincipalKey};

/// What a client wants to do with one item of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// What is to be done.
    pub action: Action,
    /// The item's own name or URI, as its server knows it.
    pub item: String,
}

/// What is to be done with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `tools/call`.
    CallTool,
    /// `prompts/get`, and completing its arguments.
    GetPrompt,
    /// `resources/read`, and completing a template's variables.
    ReadResource,
    /// Looking after the task of this id (the server's own) that a call of the tool `item` made. Whoever may call the
    /// tool may look after what became of their call, and nobody else.
    Task(Box<str>),
    /// A method of an extension; `item` is what its parameters name, or empty.
    Extension(Box<str>),
}

/// The proof that policy allowed one operation of one principal. What was judged is what is sent: the drivers take
/// name and target from here. Clones prove the same and no more.
#[derive(Clone, Debug)]
pub struct Permit {
    operation: Arc<Operation>,
    principal: PrincipalKey,
}

/// Why an operation is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The principal may not know that the item exists; answered like an item that does not.
    #[error("hidden")]
    Hidden,
}

/// The rules of one gateway.
#[derive(Clone, Debug, Default)]
pub struct Engine;

impl Engine {
    /// A gateway without policies: whoever may come in may use everything.
    #[must_use]
    pub fn allow_all() -> Self {
        Self
    }

    /// Whether `principal` may do `operation`.
    ///
    /// # Errors
    /// Says how the refusal is to look to the caller.
    pub fn authorize(&self, principal: &Principal, operation: Operation) -> Result<Permit, Denial> {
        self.decide(principal, &operation)?;
        Ok(Permit { operation: Arc::new(operation), principal: principal.key() })
    }

    /// Whether a list shown to `principal` may contain the item of `operation`.
    #[must_use]
    pub fn shows(&self, principal: &Principal, operation: &Operation) -> bool {
        self.decide(principal, operation) != Err(Denial::Hidden)
    }

    /// Whether there is anything that could refuse. Where there is not, nobody needs to ask about every item of a list.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        false
    }

    /// The one decision function. There are no rules yet, so there is nothing it could refuse.
    fn decide(&self, _principal: &Principal, _operation: &Operation) -> Result<(), Denial> {
        Ok(())
    }
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The permit for the task called `id` that the permitted call of a tool made; `None`: it was no such call.
    #[must_use]
    pub fn for_task(&self, id: &str) -> Option<Self> {
        let made = matches!(self.operation.action, Action::CallTool | Action::Task(_));
        let operation = Operation { action: Action::Task(id.into()), ..(*self.operation).clone() };
        made.then(|| Self { operation: Arc::new(operation), principal: self.principal })
    }

    /// To whom.
    #[must_use]
    pub fn principal(&self) -> PrincipalKey {
        self.principal
    }
}
