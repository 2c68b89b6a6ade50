//! Who may read a key file, and what happens to one that is not right.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use portcullis_seal::{Error, Keyring, Sealer, SigningKey};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_first_start_makes_files_only_the_owner_can_read() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let keyring = Keyring::open(&dir).unwrap();
    SigningKey::load_or_create(&dir.join("sts.p8")).unwrap();
    keyring.rotate().unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("keyring.json")), 0o600);
    assert_eq!(mode(&dir.join("sts.p8")), 0o600);
    let names: HashSet<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(
        names,
        HashSet::from(["keyring.json".into(), "sts.p8".into()]),
        "nothing staged is left behind"
    );
}

#[test]
fn refuses_files_that_others_can_read_or_write() {
    let dir = tempfile::tempdir().unwrap();
    Keyring::open(dir.path()).unwrap();
    let key = dir.path().join("sts.p8");
    SigningKey::load_or_create(&key).unwrap();
    for open in [0o640, 0o604, 0o620, 0o666] {
        fs::set_permissions(dir.path().join("keyring.json"), Permissions::from_mode(open)).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(open)).unwrap();
        let error = Keyring::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Exposed { mode, .. } if mode == open), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert!(matches!(SigningKey::load_or_create(&key), Err(Error::Exposed { .. })));
    }
}

#[test]
fn refuses_a_damaged_file_instead_of_starting_anew() {
    let texts: [&[u8]; 6] = [
        b"",
        b"{}",
        b"null",
        br#"{"version":2,"keys":[]}"#,
        br#"{"version":1,"keys":[]}"#,
        br#"{"version":1,"keys":[{"id":"AAAAAA","secret":"AAAA"}]}"#,
    ];
    for text in texts {
        let dir = tempfile::tempdir().unwrap();
        for name in ["keyring.json", "sts.p8"] {
            fs::write(dir.path().join(name), text).unwrap();
            fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o600)).unwrap();
        }
        assert!(matches!(Keyring::open(dir.path()), Err(Error::Damaged { .. })));
        assert!(matches!(SigningKey::load_or_create(&dir.path().join("sts.p8")), Err(Error::Damaged { .. })));
        assert_eq!(fs::read(dir.path().join("keyring.json")).unwrap(), text);
    }
}

#[test]
fn two_first_starts_at_once_agree_on_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sts.p8");
    let (kids, sealers): (HashSet<_>, Vec<_>) = thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let kid = SigningKey::load_or_create(&path).unwrap().kid().to_owned();
                    (kid, Sealer::new(Keyring::open(dir.path()).unwrap()))
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).unzip()
    });
    assert_eq!(kids.len(), 1);
    let token = sealers[0].seal("cursor", b"", b"page");
    assert!(sealers.iter().all(|sealer| sealer.open("cursor", b"", &token).is_ok()));
}

#[test]
fn debug_output_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let keyring = Keyring::open(dir.path()).unwrap();
    let text = fs::read_to_string(dir.path().join("keyring.json")).unwrap();
    let ring: serde_json::Value = serde_json::from_str(&text).unwrap();
    let secret = ring["keys"][0]["secret"].as_str().unwrap();
    assert!(!format!("{keyring:?} {:?}", Sealer::new(keyring.clone())).contains(secret));
}
