//! One authenticated gate in front of every MCP server of an organisation.
//!
//! This is the only place that knows every room. A verb of the command line is a file; `serve` is the product.

mod assemble;
mod check;
mod claim;
mod cli;
mod demo;
mod environment;
mod failure;
mod import;
mod logging;
mod print;
mod reload;
mod sample;
mod schema;
mod serve;
mod succession;
mod token;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::cli::{Cli, Verb};

/// A call allocates often and little, and frees on another thread than it allocated on; this is made for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.verb {
        Verb::Serve(arguments) => serve::run(&arguments.config),
        Verb::Check(arguments) => check::run(&arguments.config),
        Verb::Schema => schema::run(),
        Verb::Token(arguments) => token::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Sample(arguments) => sample::run(&arguments),
    };
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
