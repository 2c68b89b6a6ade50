//! The command line: every verb and its options.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

/// One authenticated gate in front of every MCP server of an organisation.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start three sample servers and a gateway in front of them, and print a guided tour
    Demo(Demo),
    /// Run the gateway
    Serve(WithConfig),
    /// Say everything that is wrong with a configuration; exit 64 if anything is
    Check(WithConfig),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print an access token of the embedded development issuer
    Token(Token),
    /// Turn a Claude, Cursor or VS Code client configuration into one for the gateway
    Import(Import),
    /// Run one of the demo's servers on stdin and stdout
    #[command(hide = true)]
    Sample(Sample),
}

/// Which configuration to use.
#[derive(Args, Debug)]
pub struct WithConfig {
    /// The configuration file
    #[arg(short, long, default_value = "portcullis.yaml")]
    pub config: PathBuf,
}

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Walk the tour instead of printing it, on free ports; exit 0 only if all of it worked
    #[arg(long)]
    pub check: bool,
    /// Where the demo keeps its keys and its database; a temporary folder when absent
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
}

/// Options of `token`.
#[derive(Args, Debug)]
pub struct Token {
    /// Whose token it is (`sub`)
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub sub: String,
    /// A further claim; a value that is JSON is taken as JSON
    #[arg(long = "claim", value_name = "KEY=VALUE")]
    pub claims: Vec<String>,
    /// A granted scope
    #[arg(long = "scope")]
    pub scopes: Vec<String>,
    /// For whom it is (`aud`); the URL of every gateway that takes the development issuer when absent
    #[arg(long = "audience")]
    pub audiences: Vec<String>,
    /// The OAuth client that acts (`client_id`)
    #[arg(long, default_value = "portcullis-cli")]
    pub client: String,
    /// How long it is good, such as 15m or 8h, at most 168h; a gateway takes it up to a minute longer, since clocks differ
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub lifetime: Duration,
    /// The configuration of the gateway it is for
    #[arg(short, long, default_value = "portcullis.yaml")]
    pub config: PathBuf,
}

/// Options of `import`.
#[derive(Args, Debug)]
pub struct Import {
    /// The client's configuration file
    pub file: PathBuf,
    /// Write the result to this file, which must not exist yet, instead of printing it
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

/// Options of `sample`.
#[derive(Args, Debug)]
pub struct Sample {
    /// Which server
    pub name: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration from 1s to 168h; write something like 15m or 8h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count
        .checked_mul(seconds)
        .filter(|total| (1..=7 * 86_400).contains(total))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}
