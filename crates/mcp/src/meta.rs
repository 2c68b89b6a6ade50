//! The reserved keys of `_meta`.

/// Which progress notifications belong to a request.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// The revision a modern request is written in.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client of a modern request can do.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Which program the client of a modern request is.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on a modern request wants log messages.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Which program answered.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Which `subscriptions/listen` a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Which task a message of 2025-11-25 is about.
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// The extension by which 2026-07-28 has tasks.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";
/// The gateway's own: which target asks a question.
pub const TARGET: &str = "dev.portcullis/target";
/// The gateway's own: which targets are missing from a list, why, since when.
pub const STATUS: &str = "dev.portcullis/status";
