//! What the fuzz targets do with their input: one function for each, which panics when the code under test breaks a
//! promise. `fuzz_targets/` hands them to libFuzzer; the tests here run them on a stable compiler.

mod config;
mod envelope;
mod header_codec;
mod param_headers;
mod sse_decoder;
#[cfg(test)]
mod tests;
mod uri_template;

pub use self::config::config;
pub use envelope::envelope;
pub use header_codec::header_codec;
pub use param_headers::param_headers;
pub use sse_decoder::sse_decoder;
pub use uri_template::uri_template;
