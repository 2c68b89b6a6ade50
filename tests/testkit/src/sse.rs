//! A small decoder for event streams, written for tests and independent of the product's. It understands what the
//! specification of server-sent events says and nothing about MCP.

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event`, empty when the stream named none.
    pub name: String,
    /// `id`, when this event carried one.
    pub id: Option<String>,
    /// `retry`, when this event carried one.
    pub retry: Option<String>,
    /// The data lines, joined by newlines.
    pub data: String,
}

/// Collects bytes and gives out whole events.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    current: Event,
    has_data: bool,
    after_return: bool,
    comments: usize,
}

impl Decoder {
    /// Takes the next bytes and gives the events they completed.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    /// How many comment lines went by.
    pub fn comments(&self) -> usize {
        self.comments
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if line.is_empty() {
            let event = std::mem::take(&mut self.current);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.current.name),
            "id" => self.current.id = Some(value.to_owned()),
            "retry" => self.current.retry = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.current.data.push('\n');
                }
                self.current.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_data_lines_and_survives_any_cut() {
        let text = "event: message\r\nid: 7\r\ndata: a\r\ndata: b\r\n\r\n: keep-alive\n\ndata:c\n\n";
        for cut in 0..text.len() {
            let mut decoder = Decoder::default();
            let mut events = decoder.feed(&text.as_bytes()[..cut]);
            events.extend(decoder.feed(&text.as_bytes()[cut..]));
            let data: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
            assert_eq!(data, ["a\nb", "c"], "cut at {cut}");
            assert_eq!(events[0].id.as_deref(), Some("7"));
            assert_eq!(decoder.comments(), 1);
        }
    }
}
