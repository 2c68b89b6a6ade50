//! The ids of tasks, as clients have them: sealed, and bound to whose the task is and to the gateway it was made at.

use std::sync::Arc;

use identity::PrincipalKey;
use mcp::code::{ErrorObject, INVALID_PARAMS};
use seal::Sealer;
use serde_json::{Value, json};
use upstream::Mark;

use super::Generation;

/// The sealing purpose of task ids.
const PURPOSE: &str = "exchange/task";
/// What an id says, in bytes: the names of target and tool, and the server's own id. A modern client repeats the sealed id
/// in a header.
const TASK_MAX: usize = 2 * 1024;
/// The longest id that is looked at, in bytes. Ours are shorter.
const TOKEN_MAX: usize = 4 * 1024;

/// Seals and opens the ids of tasks. Clones share the keys.
#[derive(Clone, Debug)]
pub struct TaskIds(Sealer);

/// Whose a task is, and at which gateway.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Who called.
    pub principal: PrincipalKey,
    /// The gateway's name.
    pub gateway: Arc<str>,
}

/// A task of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The target.
    pub target: String,
    /// The tool that was called, as its server knows it.
    pub tool: String,
    /// The server's own id.
    pub id: String,
    /// In which words the server speaks of it.
    pub generation: Generation,
    /// The session it was made in, where its server knows it in no other.
    pub mark: Option<Mark>,
}

impl TaskIds {
    /// Ids under the keys of `sealer`.
    #[must_use]
    pub fn new(sealer: Sealer) -> Self {
        Self(sealer)
    }

    /// The id that `owner` gets for a task; `None`: its names are too long to be carried around.
    #[must_use]
    pub fn seal(&self, owner: &Owner, task: &Task) -> Option<String> {
        let mark = task.mark.map(|mark| mark.0);
        let core = task.generation == Generation::Core;
        let plain = json!([core, mark, task.target, task.tool, task.id]).to_string();
        (plain.len() <= TASK_MAX).then(|| self.0.seal(PURPOSE, &owner.to_bytes(), plain.as_bytes()))
    }

    /// The task of an id that `owner` brought back; `None`, whatever the reason, when it is not one that they got here.
    #[must_use]
    pub fn open(&self, owner: &Owner, id: &str) -> Option<Task> {
        if id.len() > TOKEN_MAX {
            return None;
        }
        let plain = self.0.open(PURPOSE, &owner.to_bytes(), id).ok()?;
        let value: Value = serde_json::from_slice(&plain).ok()?;
        let text = |at: usize| value.get(at).and_then(Value::as_str).map(ToOwned::to_owned);
        let generation = match value.get(0)?.as_bool()? {
            true => Generation::Core,
            false => Generation::Extension,
        };
        let mark = value.get(1).and_then(Value::as_u64).map(Mark);
        Some(Task { target: text(2)?, tool: text(3)?, id: text(4)?, generation, mark })
    }
}

impl Owner {
    /// Principal keys have a fixed length, so no two owners give the same bytes.
    fn to_bytes(&self) -> Vec<u8> {
        [self.principal.as_bytes(), self.gateway.as_bytes()].concat()
    }
}

/// The answer for a task that there is not, or that is somebody else's: nobody learns which.
#[must_use]
pub fn unknown() -> ErrorObject {
    ErrorObject::new(
        INVALID_PARAMS,
        "Unknown task: `taskId` is not the id of a task of yours, or it is over.",
    )
}
