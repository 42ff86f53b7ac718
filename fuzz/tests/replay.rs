//! The corpus, through every target, with any toolchain.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a broken test may panic, and says at which input")]

use deploy_fuzz::TARGETS;
use std::fs;
use std::path::Path;

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).expect("a corpus").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    for path in &paths {
        println!("{}", path.display());
        (target.run)(&fs::read(path).expect("an input"));
    }
}

#[test]
fn every_target_has_a_test_here() {
    assert_eq!(TARGETS.map(|target| target.name), ["config", "archives", "http", "control", "records"]);
}

#[test]
fn specs_of_the_corpus_hold() {
    replay("config");
}

#[test]
fn archives_of_the_corpus_hold() {
    replay("archives");
}

#[test]
fn exchanges_of_the_corpus_hold() {
    replay("http");
}

#[test]
fn control_lines_of_the_corpus_hold() {
    replay("control");
}

#[test]
fn records_of_the_corpus_hold() {
    replay("records");
}
