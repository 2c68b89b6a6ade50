//! Why a verb could not do its work, and what is printed and returned for it.

use std::process::ExitCode;

use config::Diagnostic;

/// The exit code for a configuration that cannot be used (`EX_USAGE` of `sysexits.h`).
const BAD_CONFIG: u8 = 64;

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error("the configuration cannot be used")]
    Config(Vec<Diagnostic>),
    /// The command makes no sense as it was given.
    #[error("{0}")]
    Usage(String),
    /// Something the work needs is not to be had.
    #[error("{what}: {why}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// Why it did not work.
        why: String,
    },
}

impl Failure {
    /// A failure of `what`, because of `why`.
    pub fn of(what: impl Into<String>, why: &dyn std::fmt::Display) -> Self {
        Self::Unavailable { what: what.into(), why: why.to_string() }
    }

    /// Prints the failure; answers the exit code.
    #[expect(
        clippy::print_stderr,
        reason = "the one place that speaks to the person at the terminal about failures"
    )]
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Config(diagnostics) => {
                diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
                ExitCode::from(BAD_CONFIG)
            }
            Self::Usage(_) => {
                eprintln!("portcullis: {self}");
                ExitCode::from(BAD_CONFIG)
            }
            Self::Unavailable { .. } => {
                eprintln!("portcullis: {self}");
                ExitCode::FAILURE
            }
        }
    }
}
