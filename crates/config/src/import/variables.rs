//! The environment variables an imported configuration refers to.
//!
//! Translates the clients' placeholders into ours and puts references in the place of literal secrets. A secret is
//! kept only to tell whether two are the same, and never shown.

use crate::interpolate::is_variable;

/// Every variable met so far, in order.
#[derive(Default)]
pub(super) struct Variables(Vec<Variable>);

struct Variable {
    name: String,
    /// Where it is used first: "`env` of `github`".
    place: String,
    /// The literal it stands for; none when the client's file had a placeholder itself.
    literal: Option<String>,
}

/// A text after its placeholders were translated.
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Whether a text had placeholders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Literal,
    Placeholder,
}

impl Variables {
    /// Names, in the order of their first use.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|variable| variable.name.clone()).collect()
    }

    /// Name and first place of each.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|variable| (variable.name.as_str(), variable.place.as_str()))
    }

    /// `text` with `${input:id}`, `${env:NAME}` and the like as `${NAME}`, and every other `${` escaped.
    pub(super) fn translate(&mut self, text: &str, place: &str) -> Translated {
        let mut translated = String::with_capacity(text.len());
        let mut origin = Origin::Literal;
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            translated.push_str(&rest[..start]);
            let inside = &rest[start + 2..];
            let end = inside.find('}');
            match end.map(|end| (end, meaning(&inside[..end]))) {
                Some((end, Some(Meaning::Text(text)))) => {
                    translated.push_str(text);
                    rest = &inside[end + 1..];
                }
                Some((end, Some(Meaning::Variable(name)))) => {
                    translated.push_str(&format!("${{{name}}}"));
                    self.note(name, place);
                    origin = Origin::Placeholder;
                    rest = &inside[end + 1..];
                }
                Some((_, None)) | None => {
                    translated.push_str("$${");
                    rest = inside;
                }
            }
        }
        translated.push_str(rest);
        Translated { text: translated, origin }
    }

    /// A reference in place of `secret`, called `name` unless that name stands for something else.
    pub(super) fn conceal(&mut self, secret: &str, name: &str, target: &str, place: &str) -> String {
        let prefix = format!("{}_", upper(target));
        let qualified = if name.starts_with(&prefix) { name.to_owned() } else { format!("{prefix}{name}") };
        let numbered = (2..).map(|number: usize| format!("{qualified}_{number}"));
        let candidates = [name.to_owned(), qualified.clone()].into_iter().chain(numbered);
        for candidate in candidates {
            match self.0.iter().find(|variable| variable.name == candidate) {
                Some(known) if known.literal.as_deref() != Some(secret) => {}
                Some(_) => return format!("${{{candidate}}}"),
                None => {
                    let reference = format!("${{{candidate}}}");
                    let literal = Some(secret.to_owned());
                    self.0.push(Variable { name: candidate, place: place.to_owned(), literal });
                    return reference;
                }
            }
        }
        format!("${{{name}}}")
    }

    fn note(&mut self, name: String, place: &str) {
        if self.0.iter().all(|variable| variable.name != name) {
            self.0.push(Variable { name, place: place.to_owned(), literal: None });
        }
    }
}

enum Meaning {
    Text(&'static str),
    Variable(String),
}

/// What a client means by `${inside}`; none when it is no placeholder of any client.
fn meaning(inside: &str) -> Option<Meaning> {
    match inside {
        "/" | "pathSeparator" => return Some(Meaning::Text("/")),
        "userHome" => return Some(Meaning::Variable("HOME".to_owned())),
        _ => {}
    }
    if let Some(name) = inside.strip_prefix("env:") {
        return Some(Meaning::Variable(if is_variable(name) { name.to_owned() } else { upper(name) }));
    }
    if let Some(id) = inside.strip_prefix("input:") {
        return Some(Meaning::Variable(upper(id)));
    }
    // Claude Code: `${NAME:-default}`. A default may be a secret; it is dropped.
    let name = inside.split_once(":-").map_or(inside, |(name, _)| name);
    if name.starts_with("workspace") {
        return Some(Meaning::Variable(upper(name)));
    }
    is_variable(name).then(|| Meaning::Variable(name.to_owned()))
}

/// `github-token` and `githubToken` as `GITHUB_TOKEN`.
pub(super) fn upper(name: &str) -> String {
    let mut upper = String::new();
    let mut last_was_lower = false;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && last_was_lower {
                upper.push('_');
            }
            upper.push(c.to_ascii_uppercase());
        } else if !upper.is_empty() && !upper.ends_with('_') {
            upper.push('_');
        }
        last_was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    let upper = upper.trim_end_matches('_');
    match upper.chars().next() {
        None => "VALUE".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{upper}"),
        Some(_) => upper.chars().take(100).collect(),
    }
}
