//! Large results: how much memory each further one in flight costs.
//!
//! The backend answers when all calls have come, and nobody reads on before everybody has the head of the answer: all
//! results are in the gateway at the same time.

use std::rc::Rc;

use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, LocalSet};

use super::announce;
use crate::gateway::{Front, Gateway, Home};
use crate::options::Options;
use crate::subject::Backend;
use crate::wire::{Connection, Era, Place, Template};

const MIB: usize = 10;
const IN_FLIGHT: [usize; 5] = [1, 2, 4, 8, 16];

/// One way to send them.
#[derive(Serialize)]
pub struct Large {
    /// `json` or `event`: how the server sends the result.
    pub form: &'static str,
    pub result_mib: usize,
    /// How many were in flight, and by how many MiB the peak grew over what the process held before.
    pub peak_mib: Vec<(usize, f64)>,
    /// What each further one in flight costs, in MiB: from the first to the last of these.
    pub further_mib: f64,
}

pub fn run(options: &Options) -> anyhow::Result<Vec<Large>> {
    let backend = Backend::start()?;
    let home = Home::new(&options.gateway, &[Front::Modern], backend.addr)?;
    [("json", false), ("event", true)].into_iter().map(|(form, event)| measure(&home, form, event)).collect()
}

fn measure(home: &Home, form: &'static str, event: bool) -> anyhow::Result<Large> {
    announce(&format!("results of {MIB} MiB, sent as {form}"));
    let mut peak_mib = Vec::new();
    for count in IN_FLIGHT {
        // A process of its own: what an allocator keeps would hide what the next number costs.
        let gateway = home.start()?;
        gateway.wait_for(Front::Modern, None)?;
        peak_mib.push((count, growth(&gateway, count, event)?));
    }
    let slope = match (peak_mib.first(), peak_mib.last()) {
        (Some(first), Some(last)) => (last.1 - first.1) / (last.0 - first.0) as f64,
        _ => f64::NAN,
    };
    Ok(Large { form, result_mib: MIB, peak_mib, further_mib: slope })
}

fn growth(gateway: &Gateway, count: usize, event: bool) -> anyhow::Result<f64> {
    let place = gateway.place(Front::Modern);
    let arguments = format!(r#"{{"mib":{MIB},"event":{event},"together":{count}}}"#);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = gateway.process.memory()?;
    gateway.process.reset_peak()?;
    LocalSet::new().block_on(&runtime, async {
        let everybody = Rc::new(Barrier::new(count));
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let call = Template::call(Era::Modern, &place, None, "one___big", &arguments);
            calls.spawn_local(one(place.clone(), call, everybody.clone()));
        }
        while let Some(ended) = calls.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    })?;
    Ok((gateway.process.peak()? as f64 - before as f64) / f64::from(1 << 20))
}

async fn one(place: Place, mut call: Template, everybody: Rc<Barrier>) -> anyhow::Result<()> {
    let mut connection = Connection::open(place.addr).await?;
    connection.begin(call.next()).await?;
    everybody.wait().await;
    let reply = connection.rest().await?;
    reply.expect_result(call.id())?;
    anyhow::ensure!(reply.body.len() > MIB << 20, "a result was cut to {} bytes", reply.body.len());
    Ok(())
}
