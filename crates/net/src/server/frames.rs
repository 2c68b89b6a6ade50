//! Follows the frames that arrive on an HTTP/2 connection (RFC 9113, 4.1): where one ends, and how many carried no
//! part of a request. It reads frame heads only; whether a frame is valid is for the protocol below to say.

/// Bytes of a frame head.
const HEAD: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Follows frames across reads.
#[derive(Default)]
pub(super) struct FrameScan {
    head: [u8; HEAD],
    head_len: usize,
    payload_left: usize,
    block: Block,
}

/// Whether a header block has begun whose end is still to come, in a CONTINUATION.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Block {
    #[default]
    Ended,
    Open,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Frames that ended, or header blocks.
    pub(super) ended: u64,
    /// Frames that are no part of a request: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, unknown ones.
    pub(super) chatter: u64,
    /// Whether the last frame or header block has begun and not ended.
    pub(super) unfinished: bool,
}

impl FrameScan {
    /// Takes the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Arrived {
        let mut arrived = Arrived::default();
        while !bytes.is_empty() {
            bytes = self.take_head(bytes);
            let skipped = self.payload_left.min(bytes.len());
            self.payload_left -= skipped;
            bytes = &bytes[skipped..];
            if self.head_len == HEAD && self.payload_left == 0 {
                self.frame_ended(&mut arrived);
            }
        }
        arrived.unfinished = self.head_len > 0 || self.block == Block::Open;
        arrived
    }

    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.head_len == HEAD {
            return bytes;
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(HEAD - self.head_len));
        self.head[self.head_len..self.head_len + taken.len()].copy_from_slice(taken);
        self.head_len += taken.len();
        if self.head_len == HEAD {
            let [high, middle, low, ..] = self.head;
            self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
        }
        rest
    }

    fn frame_ended(&mut self, arrived: &mut Arrived) {
        let [_, _, _, kind, flags, ..] = self.head;
        self.head_len = 0;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block = if flags & END_HEADERS == 0 { Block::Open } else { Block::Ended };
        }
        arrived.ended += u64::from(self.block == Block::Ended);
        arrived.chatter += u64::from(!matches!(kind, DATA | HEADERS | CONTINUATION));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        bytes.extend_from_slice(payload);
        bytes
    }

    fn scan(bytes: &[u8]) -> Arrived {
        let whole = FrameScan::default().feed(bytes);
        let mut scan = FrameScan::default();
        let mut sum = Arrived::default();
        for byte in bytes.chunks(1) {
            let arrived = scan.feed(byte);
            sum.ended += arrived.ended;
            sum.chatter += arrived.chatter;
            sum.unfinished = arrived.unfinished;
        }
        assert_eq!(whole, sum, "in one read and byte by byte");
        whole
    }

    #[test]
    fn frames_of_a_request_are_no_chatter() {
        let bytes = [frame(HEADERS, END_HEADERS, b"abc"), frame(DATA, 0, b"x"), frame(DATA, 1, b"")].concat();
        assert_eq!(scan(&bytes), Arrived { ended: 3, chatter: 0, unfinished: false });
    }

    #[test]
    fn all_other_frames_are_chatter() {
        for kind in [2, 3, 4, 6, 7, 8, 10, 255] {
            let bytes = [frame(kind, 0, b"12345678"), frame(kind, 1, b"")].concat();
            assert_eq!(scan(&bytes), Arrived { ended: 2, chatter: 2, unfinished: false }, "{kind}");
        }
    }

    #[test]
    fn a_part_of_a_frame_is_unfinished() {
        let bytes = frame(HEADERS, END_HEADERS, b"abc");
        for length in 1..bytes.len() {
            assert_eq!(
                scan(&bytes[..length]),
                Arrived { ended: 0, chatter: 0, unfinished: true },
                "{length}"
            );
        }
    }

    #[test]
    fn a_header_block_is_unfinished_until_its_last_frame() {
        let mut bytes = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b"")].concat();
        assert_eq!(scan(&bytes), Arrived { ended: 0, chatter: 0, unfinished: true });
        bytes.extend(frame(CONTINUATION, END_HEADERS, b"def"));
        assert_eq!(scan(&bytes), Arrived { ended: 1, chatter: 0, unfinished: false });
    }
}
