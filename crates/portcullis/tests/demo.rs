//! The demo, as a person runs it.

use std::process::Command;

#[test]
fn every_step_of_the_tour_works() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["demo", "--check"]).output().unwrap();
    let (said, logged) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{logged}");
    assert_eq!(said.lines().filter(|line| line.starts_with('✓')).count(), 13, "{said}");
    assert_eq!(logged, "", "nothing to warn about");
}
