//! The end-to-end benchmark: a fast backend called directly, through a proxy that only parses the envelope, and through
//! the gateway, alternating in one run.
//!
//! One binary plays three parts, each in a process of its own: the backend, the floor, and the one that measures. It fails
//! only when something did not work; a slow run is a table, not an error.

mod backend;
mod floor;
mod gateway;
mod load;
mod options;
mod part;
mod process;
mod report;
mod serve;
mod stats;
mod subject;
mod wire;

use std::process::ExitCode;

use options::{Options, Role};

fn main() -> ExitCode {
    let ended = match options::role(std::env::args().skip(1)) {
        Ok(Role::Backend) => backend::run(),
        Ok(Role::Floor(backend)) => floor::run(backend),
        Ok(Role::Bench(options)) => bench(&options),
        Ok(Role::Help) => {
            println!("{}", options::HELP);
            Ok(())
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> anyhow::Result<()> {
    let results = part::run(options)?;
    print!("{}", report::text(&results));
    std::fs::write(&options.results, report::json(&results))?;
    println!("\nEvery sample is in {}.", options.results.display());
    Ok(())
}
