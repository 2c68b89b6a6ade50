//! `mcp`: how a target's server is reached, by URL or as a child process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::operator_url;
use crate::diagnostic::{Problem, quoted};
use crate::form::many::{Names, list, pairs};
use crate::form::scalar::{choice, count, duration, loose_text, plain_text};
use crate::form::section::Section;
use crate::interpolate::{Source, is_variable};
use crate::model::{Era, Isolation, Listing, Stdio, Transport};
use crate::secret_like::is_secret;
use crate::section::outbound::{hidden, literal_secrets};

const PATH_BYTES_MAX: usize = 4096;
/// Linux takes up to 128 KiB for one argument or variable.
const ARGUMENT_BYTES_MAX: usize = 64 * 1024;
const ARGUMENTS_MAX: usize = 500;
/// Keys that only a child process has.
const CHILD_KEYS: [&str; 6] = ["args", "env", "cwd", "isolation", "instances_max", "idle"];
/// Every key of this section.
pub(crate) const KEYS: [&str; 10] =
    ["url", "command", "listing", "era", "args", "env", "cwd", "isolation", "instances_max", "idle"];

/// An argument, and whether a secret stands in it.
struct Argument {
    text: String,
    holds_secret: bool,
}

pub(crate) fn read(section: &mut Section<'_>) -> Option<(Transport, Listing)> {
    let url = section.optional("url", "The MCP endpoint of a server reached by HTTP.", &operator_url());
    let command = section.optional(
        "command",
        "The program to start, looked up in PATH; it speaks MCP on stdin and stdout.",
        &plain_text(PATH_BYTES_MAX),
    );
    let listing = section.or(
        "listing",
        "`default`: lists are captured once, kept, and the same for everyone. `dynamic`: they are asked for live, \
         under the caller's identity.",
        &choice(&[("default", Listing::Default), ("dynamic", Listing::Dynamic)]),
        Listing::Default,
    );
    let era = section.or(
        "era",
        "Which protocol era to speak: `modern` is 2026-07-28 and later, `legacy` is 2025-11-25 and earlier.",
        &choice(&[("auto", Era::Auto), ("modern", Era::Modern), ("legacy", Era::Legacy)]),
        Era::Auto,
    );
    let child = child(section);
    match (section.has("url"), section.has("command")) {
        (true, true) => {
            section.error("command", Problem::new("cannot stand beside `url`").help("keep one of the two"))
        }
        (true, false) => refuse_child_keys(section),
        (false, false) => section.error("", Problem::new("names no server").help("write `url` or `command`")),
        (false, true) => {}
    }
    if let Some(url) = &url
        && url.query_pairs().any(|(name, value)| is_secret(&name, &value))
    {
        let problem = Problem::new("a secret in a URL ends up in logs");
        section.warn("url", problem.help("use `outbound: { headers: … }` where the server allows it"));
    }
    if let Some(command) = command {
        if command.contains(char::is_whitespace) {
            let problem = Problem::new("contains spaces, and all of it is taken for the name of the program");
            section.warn("command", problem.help("put the arguments into `args`"));
        }
        return Some((Transport::Stdio(Stdio { command, era, ..child? }), listing));
    }
    url.map(|url| (Transport::Http { url, era }, listing))
}

/// The keys of a child process; `command` and `era` are filled in by the caller.
fn child(section: &mut Section<'_>) -> Option<Stdio> {
    let args =
        section.optional("args", "Arguments of `command`.", &list(arguments(), ARGUMENTS_MAX).hint(as_list));
    let env = section.optional(
        "env",
        "Variables for the child besides PATH, HOME, LANG and TMPDIR; it inherits no others.",
        &pairs(variables(), hidden(ARGUMENT_BYTES_MAX, without_nul)),
    );
    let cwd = section.optional(
        "cwd",
        "Working directory of the child; the gateway's own by default.",
        &plain_text(PATH_BYTES_MAX),
    );
    let isolation = section.or(
        "isolation",
        "Who shares a child: nobody else (`principal`), nobody else and each session its own (`session`), or \
         everyone (`shared`).",
        &choice(&[
            ("principal", Isolation::Principal),
            ("session", Isolation::Session),
            ("shared", Isolation::Shared),
        ]),
        Isolation::Principal,
    );
    let instances_max = section.or("instances_max", "Children at a time.", &count(1..=10_000), 32);
    let idle = section.or(
        "idle",
        "A child nobody used for this long is stopped.",
        &duration(Duration::from_secs(1)..=Duration::from_secs(86_400)),
        Duration::from_secs(600),
    );
    if let Some(problem) = env.as_deref().and_then(literal_secrets) {
        section.warn("env", problem);
    }
    if args.iter().flatten().any(|argument| argument.holds_secret) {
        let problem =
            Problem::new("a secret stands in the arguments, where every user of the machine sees it");
        section.warn("args", problem.help("pass it through `env`, as `${NAME}` or `${file:/path}`"));
    }
    if section.has("args") && args.is_none() || section.has("env") && env.is_none() {
        return None;
    }
    let env: BTreeMap<_, _> = env.into_iter().flatten().map(|(name, value)| (name, value.secret)).collect();
    Some(Stdio {
        command: String::new(),
        args: args.into_iter().flatten().map(|argument| argument.text).collect(),
        env,
        cwd: cwd.map(PathBuf::from),
        era: Era::Auto,
        isolation,
        instances_max,
        idle,
    })
}

fn refuse_child_keys(section: &Section<'_>) {
    for key in CHILD_KEYS.into_iter().filter(|key| section.has(key)) {
        section
            .error(key, Problem::new("belongs to `command`, and this target has a `url`").help("remove it"));
    }
}

/// What to write instead of arguments in one text. A text that may hold a secret is not repeated.
fn as_list(text: &str) -> String {
    const WORDS_SHOWN: usize = 8;
    let words: Vec<&str> = text.split_whitespace().collect();
    let may_be_secret = |word: &str| match word.split_once('=') {
        Some((name, value)) => is_secret(name, value) || is_secret("", value),
        None => is_secret("", word),
    };
    let shown = (1..=WORDS_SHOWN).contains(&words.len())
        && words.iter().all(|word| is_bare(word) && !may_be_secret(word))
        && !words.windows(2).any(|pair| is_secret(pair[0], pair[1]));
    if shown {
        format!("write `args: [{}]`", words.join(", "))
    } else {
        "write `args: [-y, package]`".to_owned()
    }
}

/// Whether `word` is a text in a list without quotes around it.
fn is_bare(word: &str) -> bool {
    const LENGTH_MAX: usize = 40;
    let starts =
        word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphanumeric() || "./".contains(c));
    starts
        && word.len() <= LENGTH_MAX
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./=+".contains(&b))
}

fn arguments() -> crate::form::scalar::Scalar<Argument> {
    loose_text(ARGUMENT_BYTES_MAX, |from| {
        without_nul(&from.value)?;
        let holds_secret = from.source == Source::Literal && is_secret("", &from.value);
        Ok(Argument { text: from.value.clone(), holds_secret })
    })
}

fn variables() -> Names {
    Names {
        what: "a variable name to its value",
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
        check: variable,
        max: 500,
    }
}

fn variable(name: &str) -> Result<String, Problem> {
    if is_variable(name) {
        return Ok(name.to_owned());
    }
    Err(Problem::new(format!("{} is not a variable name", quoted(name)))
        .help("use letters, digits and underscores, and no digit in front"))
}

fn without_nul(value: &str) -> Result<(), Problem> {
    if value.contains('\0') { Err(Problem::new("must not contain a NUL character")) } else { Ok(()) }
}
