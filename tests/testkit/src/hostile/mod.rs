//! A backend on a bare socket that does what real software cannot be made to do: lie, stall, drip, flood and die.
//! Where nothing else is scripted it answers correctly and byte for byte as told, so it also shows what the gateway
//! changed on the way. It uses no MCP library on purpose.

mod behaviour;
mod correct;
mod ledger;
mod request;
mod server;
mod wire;

pub use behaviour::{Behaviour, Gate};
pub use ledger::{Arrival, Ledger};

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Which handshake the backend offers where nothing else is scripted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// `initialize`, a session id, requests only inside a session.
    Legacy,
    /// `server/discover`, no sessions.
    Modern,
}

/// What a backend does, before it listens.
#[derive(Debug)]
pub struct Builder {
    manner: Manner,
    tools: Vec<String>,
    methods: HashMap<String, Behaviour>,
    calls: HashMap<String, Behaviour>,
    capabilities: Value,
}

/// A listening backend. It stops when dropped.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    ledger: Ledger,
    accepting: JoinHandle<()>,
}

/// The script of a running backend.
#[derive(Debug)]
pub(crate) struct Script {
    manner: Manner,
    tools: Vec<String>,
    methods: HashMap<String, Behaviour>,
    calls: HashMap<String, Behaviour>,
    capabilities: Value,
}

impl Builder {
    /// A tool that answers a call in this way.
    pub fn tool(self, name: &str, behaviour: Behaviour) -> Self {
        self.defined(
            &json!({"name": name, "description": name, "inputSchema": {"type": "object"}}).to_string(),
            name,
            behaviour,
        )
    }

    /// A tool with a definition of its own, listed byte for byte as written.
    pub fn defined(mut self, definition: &str, name: &str, behaviour: Behaviour) -> Self {
        self.tools.push(definition.to_owned());
        self.calls.insert(name.to_owned(), behaviour);
        self
    }

    /// How a call of a tool that is not listed is answered.
    pub fn unlisted(mut self, name: &str, behaviour: Behaviour) -> Self {
        self.calls.insert(name.to_owned(), behaviour);
        self
    }

    /// How every request of a method is answered; `GET` and `DELETE` count as methods.
    pub fn method(mut self, name: &str, behaviour: Behaviour) -> Self {
        self.methods.insert(name.to_owned(), behaviour);
        self
    }

    /// Replaces the declared capabilities, which are tools only.
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Listens on a free loopback port.
    pub async fn start(self) -> anyhow::Result<Hostile> {
        self.start_at("127.0.0.1:0").await
    }

    /// Listens where it is told, to take the place of a backend that went away.
    pub async fn start_at(self, at: &str) -> anyhow::Result<Hostile> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let Self { manner, tools, methods, calls, capabilities } = self;
        let script = Arc::new(Script { manner, tools, methods, calls, capabilities });
        let ledger = Ledger::default();
        let record = ledger.clone();
        let accepting = tokio::spawn(async move {
            // Dropping the set with this task ends every connection.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(server::serve(socket, script.clone(), record.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Hostile { address, ledger, accepting })
    }
}

impl Hostile {
    /// A legacy backend.
    pub fn legacy() -> Builder {
        Self::builder(Manner::Legacy)
    }

    /// A modern backend.
    pub fn modern() -> Builder {
        Self::builder(Manner::Modern)
    }

    /// A backend with this handshake.
    pub fn builder(manner: Manner) -> Builder {
        Builder {
            manner,
            tools: Vec::new(),
            methods: HashMap::new(),
            calls: HashMap::new(),
            capabilities: json!({"tools": {}}),
        }
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What arrived.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
