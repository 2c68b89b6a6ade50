//! The configuration loader; never lets it touch a file.

/// Any text is a configuration or refused with at least one diagnostic, each with a place within the text.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What files there are is no part of the input.
    if text.contains("${file:") {
        return;
    }
    let diagnostics =
        match ::config::parse(text, "fuzz.yaml", &|name| (name != "UNSET").then(|| "value".to_owned())) {
            Ok(loaded) => loaded.warnings,
            Err(diagnostics) => {
                assert!(!diagnostics.is_empty(), "refused without a reason");
                diagnostics
            }
        };
    let lines = text.split(['\n', '\r']).count();
    for diagnostic in diagnostics {
        assert!(diagnostic.line <= lines + 1, "no such line: {diagnostic}");
        assert!(!diagnostic.message.is_empty(), "says nothing: {diagnostic}");
    }
}
