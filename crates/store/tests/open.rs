//! Opening the file: new, existing, damaged, too new.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_store::{Error, FILE_NAME, Store, StoredTarget};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_data_directory_and_file_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/b");
    let store = Store::open(&data).unwrap();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(store.path()), 0o600);
}

#[tokio::test]
async fn the_files_beside_the_database_are_private_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store
        .replace_target("corp", StoredTarget { target: "t".to_owned(), ..StoredTarget::default() })
        .await
        .unwrap();
    for file in fs::read_dir(dir.path()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_file_others_could_read_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Store::open(dir.path()).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let content = "this is a letter, not a database. ".repeat(200);
    fs::write(&path, &content).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    let sentence = error.to_string();
    assert!(sentence.contains(path.to_str().unwrap()) && sentence.contains("move it away"), "{sentence}");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_page_is_reported_as_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let target = StoredTarget {
        target: "t".to_owned(),
        instructions: Some("x".repeat(20_000)),
        ..StoredTarget::default()
    };
    store.replace_target("corp", target).await.unwrap();
    drop(store);
    let path = dir.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0x5a;
    }
    fs::write(&path, bytes).unwrap();
    let error = Store::open(dir.path()).and_then(|store| store.load_catalogue("corp").map(drop)).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn a_file_of_a_newer_release_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let path = dir.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    // The SQLite file format keeps `user_version` at offset 60, big-endian.
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(&path, bytes).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("schema 999"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("data")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("data_dir"), "{error}");
}

#[test]
fn opening_twice_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let first = fs::read(dir.path().join(FILE_NAME)).unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(fs::read(dir.path().join(FILE_NAME)).unwrap(), first);
}
