//! Tells from a name or a value whether a text is likely a secret.
//!
//! A guess, for warnings and for the import: never for a decision about access.

/// Parts of names under which secrets are kept.
const NAME_PARTS: [&str; 13] = [
    "token",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "password",
    "passwd",
    "passphrase",
    "authorization",
    "credential",
    "cookie",
    "bearer",
    "connectionstring",
];
/// Last words of names under which secrets are kept: `X-Key`, `DEEPL_AUTH`, `PAT`.
const NAME_ENDS: [&str; 5] = ["key", "auth", "pat", "pwd", "dsn"];
/// Starts of tokens that services hand out.
const VALUE_STARTS: [&str; 20] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "ya29.",
    "hf_",
    "npm_",
    "lin_api_",
];
/// Shorter texts are words, not tokens.
const VALUE_BYTES_MIN: usize = 12;

/// Whether `value`, kept under `name`, is likely a secret. An empty name says nothing.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    !value.is_empty() && (looks_secret(value) || (is_secret_name(name) && !is_setting(value)))
}

/// Whether values kept under `name` are likely secrets.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if folded.contains("public") || names_a_place(name) {
        return false;
    }
    NAME_PARTS.iter().any(|part| folded.contains(part))
        || last_word(name).is_some_and(|word| NAME_ENDS.contains(&word.as_str()))
}

/// Whether `value` looks like a token, or is a URL with a password in it.
fn looks_secret(value: &str) -> bool {
    let token = value.strip_prefix("Bearer ").unwrap_or(value).trim();
    let starts = VALUE_STARTS.iter().any(|start| token.starts_with(start));
    (starts && token.len() >= VALUE_BYTES_MIN && !token.contains(char::is_whitespace)) || has_password(value)
}

/// `MAX_TOKENS: 4096` and `DISABLE_AUTH: true` are settings.
fn is_setting(value: &str) -> bool {
    let is_small_number = value.len() <= 6 && value.bytes().all(|b| b.is_ascii_digit());
    is_small_number
        || matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off")
}

/// `TOKEN_FILE`, `SECRET_PATH` or `TOKEN_URL` say where a secret is and are none.
fn names_a_place(name: &str) -> bool {
    last_word(name).is_some_and(|word| {
        matches!(
            word.as_str(),
            "file" | "path" | "dir" | "url" | "uri" | "endpoint" | "name" | "type" | "ttl" | "id"
        )
    })
}

fn last_word(name: &str) -> Option<String> {
    name.rsplit(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
}

/// `postgres://user:password@host/…`
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':') && !user.ends_with(':'))
}
