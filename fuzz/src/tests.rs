use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// The seeds of one target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no seeds");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A seed with a few bytes replaced, removed or put in.
fn mutants(name: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let bytes = prop_oneof![any::<u8>(), prop::sample::select(b"\r\n:\"\\{}[],. #&?%=0\0".to_vec())];
    let edits = prop::collection::vec(
        (any::<prop::sample::Index>(), 0_usize..4, prop::collection::vec(bytes, 0..4)),
        0..6,
    );
    (prop::sample::select(seeds(name)), edits).prop_map(|(mut text, edits)| {
        for (at, removed, put) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, put);
        }
        text
    })
}

/// Runs a target's body over its seeds, over mutants of them, and over noise. `PROPTEST_CASES` says how many.
fn holds(name: &str, body: fn(&[u8])) {
    seeds(name).iter().for_each(|seed| body(seed));
    let inputs = prop_oneof![4 => mutants(name), 1 => prop::collection::vec(any::<u8>(), 0..64)];
    let default = ProptestConfig::default();
    let config = ProptestConfig { cases: default.cases * 8, failure_persistence: None, ..default };
    TestRunner::new(config)
        .run(&inputs, |data| {
            body(&data);
            Ok(())
        })
        .unwrap();
}

#[test]
fn sse_decoder_holds() {
    holds("sse_decoder", sse_decoder);
}

#[test]
fn header_codec_holds() {
    holds("header_codec", header_codec);
}

#[test]
fn param_headers_holds() {
    holds("param_headers", param_headers);
}

#[test]
fn uri_template_holds() {
    holds("uri_template", uri_template);
}

#[test]
fn envelope_holds() {
    holds("envelope", envelope);
}

#[test]
fn config_holds() {
    holds("config", config);
}
