//! The file itself: missing, unreadable, of the wrong kind.

use std::fs;
use std::path::Path;

use portcullis_config::load;

use crate::{SOUND, env, shown};

#[track_caller]
fn refusal(path: &Path) -> String {
    let directory = path.parent().unwrap_or(path).display().to_string();
    let shown = shown(&load(path, &env).expect_err("refused"));
    shown.replace(&directory, "DIR")
}

#[test]
fn a_missing_file_is_named() {
    let directory = tempfile::tempdir().expect("directory");
    assert_eq!(
        refusal(&directory.path().join("none.yaml")),
        "DIR/none.yaml: cannot be read: No such file or directory (os error 2)\n  \
         help: name the file with `-c`, or create it\n"
    );
}

#[test]
fn a_directory_is_no_file() {
    let directory = tempfile::tempdir().expect("directory");
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).expect("created");
    assert_eq!(refusal(&inner), "DIR/inner: is a directory\n  help: name the file in it with `-c`\n");
}

#[test]
fn bytes_that_are_not_utf8_are_placed() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("p.yaml");
    fs::write(&path, b"listen: x\n# caf\xe9\n").expect("written");
    assert_eq!(
        refusal(&path),
        "DIR/p.yaml:2:6: is not UTF-8 text from here on\n  help: save the file as UTF-8\n"
    );
}

#[test]
fn a_large_file_is_not_read_to_its_end() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("p.yaml");
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).expect("written");
    assert_eq!(refusal(&path), "DIR/p.yaml: is larger than 1 MiB\n");
}

#[test]
fn a_sound_file_is_loaded() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("p.yaml");
    fs::write(&path, SOUND).expect("written");
    assert_eq!(load(&path, &env).expect("loaded").snapshot.gateways.len(), 1);
}

#[test]
fn a_relative_data_directory_starts_at_the_folder_of_the_file() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("p.yaml");
    let data_dir = |lines: &str| {
        fs::write(&path, format!("{lines}\n{SOUND}")).expect("written");
        load(&path, &env).expect("loaded").snapshot.data_dir
    };
    assert_eq!(data_dir(""), directory.path().join("portcullis-data"));
    assert_eq!(data_dir("data_dir: ./keys"), directory.path().join("keys"));
    assert_eq!(data_dir("data_dir: ../keys"), directory.path().join("../keys"));
    assert_eq!(data_dir("data_dir: /var/lib/keys"), Path::new("/var/lib/keys"));
}
