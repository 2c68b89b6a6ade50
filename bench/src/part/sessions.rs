//! Memory of a legacy session that nobody uses, and of one that was used once and has a session with the server.

use serde::Serialize;

use super::announce;
use crate::gateway::{Front, Home};
use crate::options::Options;
use crate::subject::Backend;
use crate::wire::{Connection, Era, Place, Session, Template};

/// Opened first and not counted: they pay for what the process allocates once.
const FIRST: usize = 2_000;
const COUNTED: usize = 10_000;
/// Sessions share connections: a connection costs memory too, and has a bound of its own.
const CONNECTIONS: usize = 8;

/// Bytes per session.
#[derive(Serialize)]
pub struct Sessions {
    pub sessions: usize,
    pub idle_bytes: f64,
    pub used_once_bytes: f64,
}

pub fn run(options: &Options) -> anyhow::Result<Sessions> {
    announce(&format!("{COUNTED} idle sessions"));
    let backend = Backend::start()?;
    let home = Home::new(&options.gateway, &[Front::Legacy], backend.addr)?;
    let gateway = home.start()?;
    gateway.wait_for(Front::Legacy, None)?;
    let place = gateway.place(Front::Legacy);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(place.addr).await?);
        }
        let first = open(&mut connections, &place, FIRST).await?;
        use_once(&mut connections, &place, &first).await?;
        let before = gateway.process.memory()?;
        let counted = open(&mut connections, &place, COUNTED).await?;
        let opened = gateway.process.memory()?;
        use_once(&mut connections, &place, &counted).await?;
        let used = gateway.process.memory()?;
        let per_session = |now: u64| (now as f64 - before as f64) / COUNTED as f64;
        Ok(Sessions {
            sessions: COUNTED,
            idle_bytes: per_session(opened),
            used_once_bytes: per_session(used),
        })
    })
}

async fn open(connections: &mut [Connection], place: &Place, count: usize) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(count);
    for index in 0..count {
        let connection = &mut connections[index % CONNECTIONS];
        ids.push(Session::initialize(connection, place).await?);
    }
    Ok(ids)
}

async fn use_once(connections: &mut [Connection], place: &Place, ids: &[String]) -> anyhow::Result<()> {
    for (index, id) in ids.iter().enumerate() {
        let mut call = Template::call(Era::Legacy, place, Some(id), "one___echo", r#"{"message":"once"}"#);
        let reply = connections[index % CONNECTIONS].exchange(call.next()).await?;
        reply.expect_result(call.id())?;
    }
    Ok(())
}
