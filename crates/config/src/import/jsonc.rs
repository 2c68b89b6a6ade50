//! JSON with comments and trailing commas, made plain JSON of the same length, line by line.

/// Blanks out comments, and commas before a closing bracket.
pub(super) fn to_json(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut json = String::with_capacity(text.len());
    // Where the last comma stands that nothing but blanks followed so far.
    let mut comma: Option<usize> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                comma = None;
                json.push(c);
                let mut is_escaped = false;
                for c in chars.by_ref() {
                    json.push(c);
                    match c {
                        _ if is_escaped => is_escaped = false,
                        '\\' => is_escaped = true,
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if chars.peek() == Some(&'/') => {
                json.push(' ');
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    json.push(blank(c));
                }
            }
            '/' if chars.peek() == Some(&'*') => {
                chars.next();
                json.push_str("  ");
                let mut last = ' ';
                for c in chars.by_ref() {
                    json.push(blank(c));
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            ',' => {
                comma = Some(json.len());
                json.push(c);
            }
            '}' | ']' => {
                if let Some(at) = comma.take() {
                    json.replace_range(at..=at, " ");
                }
                json.push(c);
            }
            c => {
                if !c.is_whitespace() {
                    comma = None;
                }
                json.push(c);
            }
        }
    }
    json
}

fn blank(c: char) -> char {
    if c == '\n' { c } else { ' ' }
}
