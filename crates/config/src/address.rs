//! Addresses an operator writes: listeners, URLs, origins, host names, address blocks.
//!
//! Literals are judged here and nothing is looked up. A URL an operator wrote may be private, but never a
//! link-local address or a cloud's metadata service: no MCP server lives there, and credentials do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use crate::diagnostic::{Problem, quoted};
use crate::form::scalar::{Scalar, check_length, text};
use crate::interpolate::{Resolved, Source};

const URL_BYTES_MAX: usize = 2048;
/// RFC 1035, §2.3.4.
const HOST_BYTES_MAX: usize = 253;

/// Names under which clouds serve instance credentials.
const METADATA_NAMES: [&str; 5] =
    ["metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"];

/// Whether only this machine can be meant by `url`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// An IP address and a port to listen on.
pub(crate) fn socket() -> Scalar<SocketAddr> {
    text("an address such as `127.0.0.1:8642`", |from: &Resolved| {
        from.value.parse().map_err(|_| {
            Problem::new(format!("must be an IP address and a port, is {}", from.shown()))
                .help("write `127.0.0.1:8642`, `0.0.0.0:8642` or `[::1]:8642`")
        })
    })
}

/// A URL the gateway connects to.
pub(crate) fn operator_url() -> Scalar<Url> {
    text("a URL", |from: &Resolved| {
        let url = web_url(from)?;
        refuse_metadata(&url, from)?;
        Ok(url)
    })
}

/// A discovery document the gateway fetches.
pub(crate) fn discovery_url() -> Scalar<Url> {
    text("a URL", |from: &Resolved| {
        let url = web_url(from)?;
        refuse_metadata(&url, from)?;
        if !url.path().contains("/.well-known/") {
            return Err(Problem::new(format!(
                "must be the URL of a discovery document, is {}",
                from.shown()
            ))
            .help("it ends in `/.well-known/openid-configuration`"));
        }
        Ok(url)
    })
}

/// The origin clients use: scheme, host and port, nothing more.
pub(crate) fn public_url() -> Scalar<Url> {
    text("a URL", |from: &Resolved| {
        let url = web_url(from)?;
        if url.path() != "/" || url.query().is_some() {
            return Err(Problem::new(format!("must end after host and port, is {}", from.shown())).help(
                "gateways are at `{public_url}/{name}/mcp`; a path in front of that is not supported",
            ));
        }
        Ok(url)
    })
}

/// An origin as a browser sends it.
pub(crate) fn origin() -> Scalar<String> {
    text("an origin such as `https://app.example.com`", |from: &Resolved| {
        check_length(from, URL_BYTES_MAX)?;
        let wrong = || {
            Problem::new(format!("must be one exact origin, is {}", from.shown()))
                .help("write scheme, host and port only: `https://app.example.com`, `http://localhost:3000`")
        };
        let url = Url::parse(&from.value).map_err(|_| wrong())?;
        let rest = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let is_exact = url.host_str().is_some_and(|host| !host.is_empty() && !host.contains('*'));
        if !rest || !is_exact || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        if matches!(url.scheme(), "http" | "https") {
            return Ok(url.origin().ascii_serialization());
        }
        // Desktop applications have origins such as `vscode-webview://…`, which are opaque to the URL standard.
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(format!("{}://{host}{port}", url.scheme()))
    })
}

/// A host as it stands in `Host`: a name, an IPv4 address or a bracketed IPv6 address. With a port, only that port.
pub(crate) fn host_name() -> Scalar<String> {
    text("a host name", |from: &Resolved| {
        let host = from.value.to_ascii_lowercase();
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => &host,
        };
        if is_host_name(name) || bracketed(name).is_some() {
            return Ok(host);
        }
        Err(Problem::new(format!("must be a host name or an address, is {}", from.shown()))
            .help("write `mcp.example.com`, `mcp.example.com:8443` or `[::1]`, without scheme or path"))
    })
}

/// A host name or an address block that learned URLs may point to.
pub(crate) fn egress_rule() -> Scalar<String> {
    text("a host name or an address block", |from: &Resolved| {
        let rule = from.value.to_ascii_lowercase();
        if let Some(ip) = block_address(&rule) {
            return match is_metadata(ip) {
                true => Err(forbidden(from)),
                false => Ok(rule),
            };
        }
        if METADATA_NAMES.contains(&rule.trim_end_matches('.')) {
            return Err(forbidden(from));
        }
        if is_host_name(&rule) {
            return Ok(rule);
        }
        Err(Problem::new(format!("must be a host name or an address block, is {}", from.shown()))
            .help("write `idp.internal` or `10.0.0.0/8`"))
    })
}

fn web_url(from: &Resolved) -> Result<Url, Problem> {
    check_length(from, URL_BYTES_MAX)?;
    let wrong = |why: &str| {
        let problem = Problem::new(format!("must be an http or https URL, is {}{why}", from.shown()));
        match with_scheme(from) {
            Some(url) => problem.help(format!("write {}", quoted(&url))),
            None => problem,
        }
    };
    let url = Url::parse(&from.value).map_err(|error| wrong(&format!(" ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(""));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new("must not carry a user name or password")
            .help("send it in a header: `outbound: { headers: { authorization: ${NAME} } }`"));
    }
    if url.fragment().is_some() {
        return Err(Problem::new(format!("must not have a fragment (`#…`), is {}", from.shown())));
    }
    Ok(url)
}

/// What was likely meant by a URL without a scheme: `localhost:3000/mcp`.
fn with_scheme(from: &Resolved) -> Option<String> {
    let starts_as_host = from.value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    if from.source == Source::Reference || from.value.contains("://") || !starts_as_host {
        return None;
    }
    let url = Url::parse(&format!("http://{}", from.value)).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let scheme = if is_loopback(&url) { "http" } else { "https" };
    (is_plain && refuse_metadata(&url, from).is_ok()).then(|| format!("{scheme}://{}", from.value))
}

fn refuse_metadata(url: &Url, from: &Resolved) -> Result<(), Problem> {
    let refused = match url.host() {
        Some(Host::Ipv4(ip)) => is_metadata(ip.into()) || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => is_metadata(ip.into()) || ip.is_unspecified(),
        Some(Host::Domain(name)) => METADATA_NAMES.contains(&name.trim_end_matches('.')),
        None => true,
    };
    if refused { Err(forbidden(from)) } else { Ok(()) }
}

fn forbidden(from: &Resolved) -> Problem {
    Problem::new(format!("link-local and metadata addresses are never connected to, is {}", from.shown()))
}

/// Whether `ip` is link-local or a cloud's metadata service, also when wrapped into an IPv6 address.
fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            // Alibaba Cloud's metadata service and Azure's wire server are outside the link-local block.
            ip.is_link_local()
                || ip == Ipv4Addr::new(100, 100, 100, 200)
                || ip == Ipv4Addr::new(168, 63, 129, 16)
        }
        IpAddr::V6(ip) => {
            let named = [
                Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
                Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
            ];
            ip.is_unicast_link_local()
                || named.contains(&ip)
                || embedded(ip).is_some_and(|inner| is_metadata(inner.into()))
        }
    }
}

/// The IPv4 address inside a mapped (`::ffff:0:0/96`), compatible (`::/96`) or NAT64 (`64:ff9b::/96`) address.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = ip.segments();
    let prefix = [a, b, c, d, e, f];
    let wraps = matches!(prefix, [0, 0, 0, 0, 0, 0xffff | 0] | [0x64, 0xff9b, 0, 0, 0, 0]);
    let [[w, x], [y, z]] = [high.to_be_bytes(), low.to_be_bytes()];
    wraps.then(|| Ipv4Addr::new(w, x, y, z))
}

/// The address of `10.0.0.0/8` or `10.0.0.1`.
fn block_address(rule: &str) -> Option<IpAddr> {
    let (address, length) = match rule.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (rule, None),
    };
    let ip: IpAddr = address.parse().ok()?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    (length.unwrap_or(bits) <= bits).then_some(ip)
}

fn bracketed(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label)
}
