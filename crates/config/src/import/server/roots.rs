//! The directories that a file server is started with, as the roots that it is told.
//!
//! Such a server looks wherever its client's roots are, and not where its arguments say, as soon as there are any: behind a
//! gateway every caller could choose. Roots that are written down are told in the place of the client's.

/// What names a server that does so, in a command or its arguments.
const FILE_SERVERS: [&str; 2] = ["server-filesystem", "mcp/filesystem"];

/// The directories among the arguments of a file server.
#[derive(Debug, Default)]
pub(super) struct Roots {
    pub(super) uris: Vec<String>,
    /// Directories that only the server itself could find.
    pub(super) left_out: Vec<String>,
}

/// The directories that `command` is started with; none where it is no file server.
pub(super) fn named(command: &str, args: &[String]) -> Roots {
    let mut roots = Roots::default();
    let names_server = |text: &str| FILE_SERVERS.iter().any(|name| text.contains(name));
    let whole: Vec<_> = std::iter::once(command).chain(args.iter().map(String::as_str)).collect();
    let Some(server) = whole.iter().position(|text| names_server(text)) else { return roots };
    for directory in whole[server + 1..].iter().filter(|argument| !argument.starts_with('-')) {
        if directory.starts_with('/') || directory.starts_with("${") {
            roots.uris.push(format!("file://{}", escaped(directory)));
        } else {
            roots.left_out.push((*directory).to_owned());
        }
    }
    roots
}

/// A path as it stands in a URI; its variables stay what they are.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace(' ', "%20").replace('#', "%23").replace('?', "%3F")
}
