//! The URI template parser and matcher.

use mcp::template::Template;

/// Any text is a template or refused, any URI matches or not, and a template without expressions matches itself. The
/// first line is the template, the rest the URI.
pub fn uri_template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (template, uri) = text.split_once('\n').unwrap_or((text, text));
    let Ok(parsed) = Template::parse(template) else { return };
    let matches = parsed.matches(uri);
    if !template.contains('{') {
        assert_eq!(matches, template == uri);
    }
}
