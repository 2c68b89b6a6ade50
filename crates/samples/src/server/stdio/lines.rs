//! Cuts the input into lines, each within a bound.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// One line, in bytes.
const LINE_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Lines<R>(BufReader<R>);

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self(BufReader::new(input))
    }

    /// The next line that is not empty, without its end; `None` at the end of the input.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let mut line = Vec::new();
            let limit = LINE_BYTES_MAX as u64 + 1;
            if (&mut self.0).take(limit).read_until(b'\n', &mut line).await? == 0 {
                return Ok(None);
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "a line of the input is longer than {LINE_BYTES_MAX} bytes"
                )));
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                return Ok(Some(Bytes::copy_from_slice(text)));
            }
        }
    }
}
