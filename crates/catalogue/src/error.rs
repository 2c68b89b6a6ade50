//! What can go wrong when a catalogue is asked.

/// Why a catalogue cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cursor is not one of ours for this principal and list. Answered with `-32602`.
    #[error("The cursor is not valid here; list again from the start, without a cursor.")]
    BadCursor,
    /// The persisted catalogue cannot be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
}
