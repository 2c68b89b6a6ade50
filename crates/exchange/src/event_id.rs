//! Event ids: which event of which stream, readable for the session they were made in and for nobody else.
//!
//! Deterministic authenticated encryption of one small block: a tag over stream and number, and both hidden under a mask
//! made from the tag. An id of another session, or one that was changed, is no id.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[cfg(test)]
mod tests;

const TAG: usize = 12;
const BLOCK: usize = 12;

/// Makes and reads the ids of one session.
pub(crate) struct EventIds {
    key: Key,
}

impl EventIds {
    /// Ids under a key of their own.
    pub(crate) fn new() -> Self {
        Self { key: Key::new(HMAC_SHA256, &seal::random_bytes::<32>()) }
    }

    /// The id of event `number` of `stream`.
    pub(crate) fn write(&self, stream: u32, number: u64) -> String {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(&stream.to_be_bytes());
        block[4..].copy_from_slice(&number.to_be_bytes());
        let tag = self.tag(&block);
        let mut id = [0; TAG + BLOCK];
        id[..TAG].copy_from_slice(&tag);
        id[TAG..].copy_from_slice(&self.masked(&tag, block));
        URL_SAFE_NO_PAD.encode(id)
    }

    /// The stream and number in an id of this session.
    pub(crate) fn read(&self, id: &str) -> Option<(u32, u64)> {
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (tag, hidden) = bytes.split_at_checked(TAG)?;
        let tag: [u8; TAG] = tag.try_into().ok()?;
        let block = self.masked(&tag, hidden.try_into().ok()?);
        if !seal::equal(&self.tag(&block), &tag) {
            return None;
        }
        let (stream, number) = block.split_at(4);
        Some((u32::from_be_bytes(stream.try_into().ok()?), u64::from_be_bytes(number.try_into().ok()?)))
    }

    fn tag(&self, block: &[u8; BLOCK]) -> [u8; TAG] {
        self.cut(b"tag", block)
    }

    fn masked(&self, tag: &[u8; TAG], mut block: [u8; BLOCK]) -> [u8; BLOCK] {
        let mask: [u8; BLOCK] = self.cut(b"mask", tag);
        block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        block
    }

    fn cut<const N: usize>(&self, purpose: &[u8], input: &[u8]) -> [u8; N] {
        let whole = sign(&self.key, &[purpose, input].concat());
        let mut cut = [0; N];
        cut.iter_mut().zip(whole.as_ref()).for_each(|(byte, from)| *byte = *from);
        cut
    }
}

impl std::fmt::Debug for EventIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventIds")
    }
}
