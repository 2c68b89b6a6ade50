//! Sees a request whose length can be read in two ways (RFC 9112, 6.3), which the HTTP parser below settles silently.
//!
//! A proxy in front that settles it the other way would take part of a body for the next request (request smuggling,
//! CL.TE and TE.CL). The scan covers heads that arrive while nothing is in progress, which is how proxies send; for a
//! pipelined one the answer closes the connection, so nothing can follow it.

const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// What is known of the head of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Framing {
    /// Its head was not scanned from its beginning.
    Unseen = 0,
    /// At most one length or one coding.
    Clear = 1,
    /// Both, or two lengths.
    Ambiguous = 2,
}

impl Framing {
    pub(super) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Clear,
            2 => Self::Ambiguous,
            _ => Self::Unseen,
        }
    }
}

/// Follows one head, line by line, across reads.
#[derive(Default)]
pub(super) struct HeadScan {
    line_start: [u8; CODING.len()],
    line_start_len: usize,
    lines: usize,
    lengths: usize,
    codings: usize,
}

impl HeadScan {
    /// Takes the next bytes. Returns what the head says once its last line has been seen; the rest is left alone.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Option<Framing> {
        loop {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.keep_line_start(&bytes[..end.unwrap_or(bytes.len())]);
            bytes = &bytes[end? + 1..];
            if self.line_ended() {
                return Some(self.verdict());
            }
        }
    }

    fn keep_line_start(&mut self, part: &[u8]) {
        let free = &mut self.line_start[self.line_start_len..];
        let taken = part.len().min(free.len());
        free[..taken].copy_from_slice(&part[..taken]);
        self.line_start_len += taken;
    }

    /// Whether the line was the empty one that ends the head. Empty lines before the request line do not count.
    fn line_ended(&mut self) -> bool {
        let start = &self.line_start[..std::mem::take(&mut self.line_start_len)];
        if matches!(start, b"" | b"\r") {
            return self.lines > 0;
        }
        self.lines += 1;
        self.lengths += usize::from(starts_with(start, LENGTH));
        self.codings += usize::from(starts_with(start, CODING));
        false
    }

    fn verdict(&self) -> Framing {
        if self.lengths > 1 || (self.lengths > 0 && self.codings > 0) {
            Framing::Ambiguous
        } else {
            Framing::Clear
        }
    }
}

fn starts_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &str) -> Option<Framing> {
        let whole = HeadScan::default().feed(head.as_bytes());
        let mut by_byte = HeadScan::default();
        let split = head.as_bytes().chunks(1).find_map(|byte| by_byte.feed(byte));
        assert_eq!(whole, split, "{head:?}");
        whole
    }

    #[test]
    fn one_length_or_one_coding_is_clear() {
        for headers in [
            "",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "X-Content-Length: 1\r\nContent-Length: 1\r\n",
        ] {
            assert_eq!(
                scan(&format!("\r\nPOST / HTTP/1.1\r\n{headers}\r\nbody\n")),
                Some(Framing::Clear),
                "{headers}"
            );
        }
    }

    #[test]
    fn two_ways_to_read_the_length_are_ambiguous() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\nCONTENT-LENGTH: 5\n",
            "Content-Length: 5\r\nHost: a\r\nContent-Length: 5\r\n",
        ] {
            assert_eq!(
                scan(&format!("POST / HTTP/1.1\r\n{headers}\r\n")),
                Some(Framing::Ambiguous),
                "{headers}"
            );
        }
    }

    #[test]
    fn the_body_is_not_scanned() {
        let request = "POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(scan(request), Some(Framing::Clear));
    }

    #[test]
    fn an_unfinished_head_says_nothing_yet() {
        assert_eq!(scan("POST / HTTP/1.1\r\nContent-Length: 5\r\n"), None);
    }
}
