//! The methods a client may ask for, and what the gateway does with each.

use std::fmt;

use crate::Era;

/// A client's method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize` (legacy).
    Initialize,
    /// `ping` (legacy).
    Ping,
    /// `server/discover` (modern).
    Discover,
    /// `logging/setLevel` (legacy).
    SetLevel,
    /// One of the four lists.
    List(Kind),
    /// `tools/call`.
    CallTool,
    /// `prompts/get`.
    GetPrompt,
    /// `resources/read`.
    ReadResource,
    /// `completion/complete`.
    Complete,
    /// `resources/subscribe` (legacy).
    Subscribe,
    /// `resources/unsubscribe` (legacy).
    Unsubscribe,
    /// `subscriptions/listen` (modern).
    Listen,
    /// One of the methods that look after a task.
    Task(TaskMethod),
    /// Anything else: an extension's, or unknown.
    Other(Box<str>),
}

/// What is wanted of a task (MCP 2025-11-25, Tasks; `io.modelcontextprotocol/tasks` for 2026-07-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskMethod {
    /// `tasks/get`.
    Get,
    /// `tasks/result` (legacy).
    Result,
    /// `tasks/update` (modern).
    Update,
    /// `tasks/cancel`.
    Cancel,
}

/// What a catalogue lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `tools/list`.
    Tool,
    /// `prompts/list`.
    Prompt,
    /// `resources/list`.
    Resource,
    /// `resources/templates/list`.
    Template,
}

impl Method {
    /// The method called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "initialize" => Self::Initialize,
            "ping" => Self::Ping,
            "server/discover" => Self::Discover,
            "logging/setLevel" => Self::SetLevel,
            "tools/list" => Self::List(Kind::Tool),
            "prompts/list" => Self::List(Kind::Prompt),
            "resources/list" => Self::List(Kind::Resource),
            "resources/templates/list" => Self::List(Kind::Template),
            "tools/call" => Self::CallTool,
            "prompts/get" => Self::GetPrompt,
            "resources/read" => Self::ReadResource,
            "completion/complete" => Self::Complete,
            "resources/subscribe" => Self::Subscribe,
            "resources/unsubscribe" => Self::Unsubscribe,
            "subscriptions/listen" => Self::Listen,
            "tasks/get" => Self::Task(TaskMethod::Get),
            "tasks/result" => Self::Task(TaskMethod::Result),
            "tasks/update" => Self::Task(TaskMethod::Update),
            "tasks/cancel" => Self::Task(TaskMethod::Cancel),
            other => Self::Other(other.into()),
        }
    }

    /// The method's name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Initialize => "initialize",
            Self::Ping => "ping",
            Self::Discover => "server/discover",
            Self::SetLevel => "logging/setLevel",
            Self::List(kind) => kind.list_method(),
            Self::CallTool => "tools/call",
            Self::GetPrompt => "prompts/get",
            Self::ReadResource => "resources/read",
            Self::Complete => "completion/complete",
            Self::Subscribe => "resources/subscribe",
            Self::Unsubscribe => "resources/unsubscribe",
            Self::Listen => "subscriptions/listen",
            Self::Task(method) => method.as_str(),
            Self::Other(name) => name,
        }
    }

    /// Whether the method exists in an era: in its core protocol, or in the one extension that the gateway knows, tasks.
    #[must_use]
    pub fn exists_in(&self, era: Era) -> bool {
        match self {
            Self::Initialize
            | Self::Ping
            | Self::SetLevel
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::Task(TaskMethod::Result) => era == Era::Legacy,
            Self::Discover | Self::Listen | Self::Task(TaskMethod::Update) => era == Era::Modern,
            Self::Other(_) => false,
            _ => true,
        }
    }

    /// The parameter that names what is asked for; `Mcp-Name` repeats it (MCP 2026-07-28, Streamable HTTP).
    #[must_use]
    pub fn name_param(&self) -> Option<&'static str> {
        match self {
            Self::CallTool | Self::GetPrompt => Some("name"),
            Self::ReadResource => Some("uri"),
            _ => None,
        }
    }

    /// Whether asking twice does no more than asking once, whatever the server.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        !matches!(self, Self::CallTool | Self::Task(TaskMethod::Update) | Self::Other(_))
    }

    /// Methods that an extension may not claim, because a revision's core defines or defined them.
    #[must_use]
    pub fn is_core_name(name: &str) -> bool {
        const OTHERS: [&str; 4] =
            ["sampling/createMessage", "elicitation/create", "roots/list", "tasks/list"];
        !matches!(Self::parse(name), Self::Other(_))
            || OTHERS.contains(&name)
            || name.starts_with("notifications/")
    }
}

impl TaskMethod {
    /// The method's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "tasks/get",
            Self::Result => "tasks/result",
            Self::Update => "tasks/update",
            Self::Cancel => "tasks/cancel",
        }
    }
}

impl Kind {
    /// All four, in the order they are synced.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::Template];

    /// The method that lists them.
    #[must_use]
    pub const fn list_method(self) -> &'static str {
        match self {
            Self::Tool => "tools/list",
            Self::Prompt => "prompts/list",
            Self::Resource => "resources/list",
            Self::Template => "resources/templates/list",
        }
    }

    /// The result's member that holds them.
    #[must_use]
    pub const fn result_key(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::Template => "resourceTemplates",
        }
    }

    /// The item's member that identifies it.
    #[must_use]
    pub const fn item_key(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt => "name",
            Self::Resource => "uri",
            Self::Template => "uriTemplate",
        }
    }

    /// The server capability that goes with it.
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource | Self::Template => "resources",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
