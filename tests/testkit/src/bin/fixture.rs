//! The fixture as a program: `fixture --era dual --listen 127.0.0.1:0` prints its URL and serves until it is
//! killed; `fixture --era legacy --stdio` speaks lines on its standard streams.

use std::process::ExitCode;

use rmcp::ServiceExt;
use testkit::fixture::{Era, Fixture, FixtureServer};

const USAGE: &str = "usage: fixture [--era dual|legacy|modern] (--listen HOST:PORT | --stdio)";

enum Transport {
    Listen(String),
    Stdio,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some((era, transport)) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    match run(era, transport).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fixture: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<(Era, Transport)> {
    let mut era = Era::Dual;
    let mut transport = Transport::Listen("127.0.0.1:0".to_owned());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--era" => era = Era::named(&arguments.next()?)?,
            "--listen" => transport = Transport::Listen(arguments.next()?),
            "--stdio" => transport = Transport::Stdio,
            _ => return None,
        }
    }
    Some((era, transport))
}

async fn run(era: Era, transport: Transport) -> anyhow::Result<()> {
    let fixture = Fixture::new(era);
    match transport {
        Transport::Listen(at) => {
            let server = FixtureServer::listen(fixture, &at).await?;
            println!("{}", server.url());
            server.run().await;
        }
        Transport::Stdio => {
            fixture.serve(rmcp::transport::stdio()).await?.waiting().await?;
        }
    }
    Ok(())
}
