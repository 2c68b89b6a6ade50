//! Writes targets as YAML.
//!
//! Every text is quoted unless it can mean nothing but itself.

use std::fmt::Write;

use super::server::{Era, Reach, Target};
use super::variables::Variables;
use crate::node::{Scalar, Style};

/// The whole file.
pub(super) fn config(targets: &[Target], variables: &Variables, notes: &[String]) -> String {
    let mut yaml = String::from("# Written by `portcullis import`. Check it with `portcullis check`.\n");
    let mut exports = variables.entries().filter(|(name, _)| *name != "HOME").peekable();
    if exports.peek().is_some() {
        yaml.push_str(
            "#\n# Set these environment variables before you start; their values are not repeated here:\n",
        );
    }
    for (name, place) in exports {
        line(&mut yaml, format_args!("#   {name}: {place}"));
    }
    if !notes.is_empty() {
        yaml.push_str("#\n# Notes:\n");
    }
    for note in notes {
        line(&mut yaml, format_args!("#   {note}"));
    }
    yaml.push_str(
        "\ngateways:\n  main:\n    streaming: true\n    sessions: {}\n    \
         inbound: { jwt: { issuer: dev } } # `portcullis token` prints a token\n",
    );
    yaml.push_str(if targets.is_empty() { "    targets: {}\n" } else { "    targets:\n" });
    for target in targets {
        self::target(&mut yaml, target);
    }
    yaml
}

fn target(yaml: &mut String, target: &Target) {
    line(yaml, format_args!("      {}:\n        mcp:", scalar(&target.name)));
    match &target.reach {
        Reach::Child { command, args, env, cwd, roots } => {
            line(yaml, format_args!("          command: {}", scalar(command)));
            if !args.is_empty() {
                yaml.push_str("          args:\n");
            }
            for argument in args {
                line(yaml, format_args!("            - {}", scalar(argument)));
            }
            pairs(yaml, "          env:", env);
            if let Some(cwd) = cwd {
                line(yaml, format_args!("          cwd: {}", scalar(cwd)));
            }
            if !roots.is_empty() {
                yaml.push_str("        roots: # without them, the server looks wherever its client says\n");
            }
            for root in roots {
                line(yaml, format_args!("          - {}", scalar(root)));
            }
        }
        Reach::Http { url, era, headers } => {
            line(yaml, format_args!("          url: {}", scalar(url)));
            if *era == Era::Legacy {
                yaml.push_str("          era: legacy\n");
            }
            if !headers.is_empty() {
                yaml.push_str("        outbound:\n");
            }
            pairs(yaml, "          headers:", headers);
        }
    }
}

fn pairs(yaml: &mut String, key: &str, pairs: &[(String, String)]) {
    if !pairs.is_empty() {
        line(yaml, format_args!("{key}"));
    }
    for (name, value) in pairs {
        line(yaml, format_args!("            {}: {}", scalar(name), scalar(value)));
    }
}

fn line(yaml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(yaml, "{text}");
}

/// `text` as a YAML scalar that reads as exactly that text.
fn scalar(text: &str) -> String {
    let as_plain = Scalar { text: text.to_owned(), style: Style::Plain };
    let has_meaning = as_plain.is_null() || as_plain.is_bool() || as_plain.is_number();
    // Booleans of YAML 1.1, which other readers of the file may still know.
    let was_bool = matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n");
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.');
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    if starts_plain && is_plain && !has_meaning && !was_bool { text.to_owned() } else { double_quoted(text) }
}

/// YAML 1.2.2, §7.3.1.
fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}
