//! Who is measured: the backend itself, the floor in front of it, the gateway in front of it. Each is a process of its own.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;

use crate::gateway::{Front, Gateway, Home};
use crate::load::{Load, Operation};
use crate::process::Process;
use crate::wire::{Era, Place};

/// A backend that runs.
pub struct Backend {
    /// Ends when dropped.
    _process: Process,
    pub addr: SocketAddr,
}

impl Backend {
    /// Starts one.
    pub fn start() -> anyhow::Result<Self> {
        let mut process = Process::role("backend", &["backend"])?;
        let addr = address(&mut process)?;
        Ok(Self { _process: process, addr })
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Direct,
    Floor,
    Gateway,
}

impl Subject {
    pub const ALL: [Self; 3] = [Self::Direct, Self::Floor, Self::Gateway];
}

/// One line of a table: what clients do, and which gateway they do it through.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    /// How the clients speak, to all three.
    pub era: Era,
    /// How the server behind the gateway speaks.
    pub front: Front,
    pub what: What,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Call,
    List,
    /// A streaming call, with so many milliseconds between its events.
    Stream(u64),
    Ask,
}

/// All three, running.
pub struct Stage {
    pub gateway: Gateway,
    pub floor: Process,
    floor_addr: SocketAddr,
    pub backend: Backend,
    token: String,
    /// Removed when dropped.
    _home: Home,
}

impl Stage {
    /// Starts all three, and waits until the gateway knows every tool.
    pub fn set(binary: &Path) -> anyhow::Result<Self> {
        let backend = Backend::start()?;
        let mut floor = Process::role("floor", &["floor", &backend.addr.to_string()])?;
        let floor_addr = address(&mut floor)?;
        let home = Home::new(binary, &Front::ALL, backend.addr)?;
        let gateway = home.start()?;
        let token = home.token()?;
        for front in Front::ALL {
            let token = (front == Front::Guarded).then_some(token.as_str());
            gateway.wait_for(front, token)?;
        }
        Ok(Self { gateway, floor, floor_addr, backend, token, _home: home })
    }

    /// The same work for each subject: the gateway's tools have longer names, and a list of 200 has a path of its own.
    pub fn load(&self, case: &Case, subject: Subject) -> Load {
        let path = if case.what == What::List { "/all/mcp" } else { "/mcp" };
        let place = match subject {
            Subject::Direct => Place::new(self.backend.addr, path),
            Subject::Floor => Place::new(self.floor_addr, path),
            Subject::Gateway => {
                let token = (case.front == Front::Guarded).then(|| self.token.clone());
                Place { token, ..self.gateway.place(case.front) }
            }
        };
        let operation = match (case.what, subject) {
            (What::List, _) => Operation::List,
            (What::Call, Subject::Gateway) => Operation::Call("one___echo"),
            (What::Call, _) => Operation::Call("echo"),
            (What::Stream(interval_ms), Subject::Gateway) => {
                Operation::Stream { tool: "one___stream", interval_ms }
            }
            (What::Stream(interval_ms), _) => Operation::Stream { tool: "stream", interval_ms },
            (What::Ask, Subject::Gateway) => Operation::Ask("one___ask"),
            (What::Ask, _) => Operation::Ask("ask"),
        };
        Load { place, era: case.era, operation }
    }

    /// Whose processor time is counted.
    pub fn process(&self, subject: Subject) -> Option<&Process> {
        match subject {
            Subject::Direct => None,
            Subject::Floor => Some(&self.floor),
            Subject::Gateway => Some(&self.gateway.process),
        }
    }
}

fn address(process: &mut Process) -> anyhow::Result<SocketAddr> {
    let line = process.line()?;
    let addr = line.strip_prefix("listening on ").with_context(|| format!("a child said `{line}`"))?;
    Ok(addr.parse()?)
}
