//! Finds literal secrets in the texts of a server and puts references in their place.

use super::super::variables::{Origin, Variables, upper};
use crate::secret_like::{is_secret, is_secret_name};

/// Words in front of the secret part of a header.
const SCHEMES: [&str; 5] = ["Bearer ", "Basic ", "Token ", "ApiKey ", "Key "];

/// Works on the texts of one target.
pub(super) struct Concealer<'a> {
    pub(super) target: &'a str,
    pub(super) variables: &'a mut Variables,
}

impl Concealer<'_> {
    /// A text that is no secret by its place.
    pub(super) fn plain(&mut self, text: &str, place: &str) -> String {
        let place = self.place(place);
        self.variables.translate(text, &place).text
    }

    /// The value of environment variable `name`.
    pub(super) fn variable(&mut self, name: &str, value: &str) -> String {
        self.value(name, value, name, &format!("env `{name}`"))
    }

    /// The value of header `name`. A scheme such as `Bearer` stays readable.
    pub(super) fn header(&mut self, name: &str, value: &str) -> String {
        let place = format!("header `{name}`");
        let scheme = SCHEMES
            .iter()
            .find(|scheme| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        let (scheme, secret) = value.split_at(scheme.map_or(0, |scheme| scheme.len()));
        let variable = self.qualified(if scheme.is_empty() { name } else { "token" });
        let concealed = self.value(name, secret, &variable, &place);
        format!("{scheme}{concealed}")
    }

    /// Arguments: `--api-key X`, `--api-key=X`, `KEY=X`, `--header "Authorization: X"`, and tokens by their look.
    pub(super) fn arguments(&mut self, args: &[String]) -> Vec<String> {
        let mut before: Option<&str> = None;
        args.iter()
            .map(|argument| {
                let flag = before.replace(argument).filter(|before| before.starts_with('-'));
                self.argument(argument, flag)
            })
            .collect()
    }

    /// A URL, and the reference to the credential that stood in front of its host.
    pub(super) fn url(&mut self, url: &str) -> (String, Option<String>) {
        let (url, user) = split_user(url);
        let credential = user.map(|user| {
            let (variable, place) =
                (self.qualified("authorization"), self.place("user and password of the URL"));
            self.variables.conceal(&user, &variable, self.target, &place)
        });
        let Some((path, query)) = url.split_once('?') else { return (self.plain(&url, "url"), credential) };
        let pieces: Vec<String> = query
            .split('&')
            .map(|piece| match piece.split_once('=') {
                Some((name, value)) => {
                    let variable = self.qualified(name);
                    format!("{name}={}", self.value(name, value, &variable, "url"))
                }
                None => self.plain(piece, "url"),
            })
            .collect();
        (format!("{}?{}", self.plain(path, "url"), pieces.join("&")), credential)
    }

    fn argument(&mut self, argument: &str, flag: Option<&str>) -> String {
        let is_flag = argument.starts_with('-');
        if let Some(flag) = flag
            && !is_flag
            && is_secret_name(flag)
        {
            let variable = self.qualified(flag);
            return self.value(flag, argument, &variable, &format!("argument of `{flag}`"));
        }
        if argument.starts_with("http://") || argument.starts_with("https://") {
            if is_secret("", argument) {
                let variable = self.qualified("url");
                return self.value("url", argument, &variable, "args");
            }
            return self.url(argument).0;
        }
        for separator in ['=', ':'] {
            let Some((name, value)) = argument.split_once(separator) else { continue };
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            if !is_name || value.starts_with("//") {
                continue;
            }
            let blanks = value.len() - value.trim_start().len();
            let (blanks, value) = value.split_at(blanks);
            let concealed = match separator {
                ':' => self.header(name, value),
                _ => {
                    let variable = self.qualified(name);
                    self.value(name, value, &variable, "args")
                }
            };
            return format!("{name}{separator}{blanks}{concealed}");
        }
        let variable = self.qualified("secret");
        self.value("", argument, &variable, "args")
    }

    /// `value`, or a reference when it is a literal and looks like a secret by its name or itself.
    fn value(&mut self, name: &str, value: &str, variable: &str, place: &str) -> String {
        let place = self.place(place);
        let translated = self.variables.translate(value, &place);
        if is_secret(name, value) && translated.origin == Origin::Literal {
            return self.variables.conceal(value, variable, self.target, &place);
        }
        translated.text
    }

    fn qualified(&self, name: &str) -> String {
        upper(&format!("{}-{}", self.target, name.trim_start_matches('-')))
    }

    fn place(&self, what: &str) -> String {
        format!("{what} of `{}`", self.target)
    }
}

/// Takes `user:password` out of a URL.
fn split_user(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_end].rsplit_once('@') {
        Some((user, host)) => (format!("{scheme}://{host}{}", &rest[authority_end..]), Some(user.to_owned())),
        None => (url.to_owned(), None),
    }
}
