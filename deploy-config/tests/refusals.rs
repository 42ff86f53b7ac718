//! Whole messages: each spec in `tests/refused` has beside it, in `.txt`, what is said of it. `BLESS=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deploy_config::{Format, parse};
use deploy_core::{Kind, Result};
use std::fs;
use std::path::{Path, PathBuf};

fn specs(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut specs: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    specs.retain(|path| Format::of(path).is_ok());
    specs.sort();
    specs
}

fn read(path: &Path) -> Result<deploy_core::Spec> {
    let name = path.file_name().unwrap().to_string_lossy();
    parse(&fs::read_to_string(path).unwrap(), Format::of(path).unwrap(), &name)
}

#[test]
fn each_refusal_says_what_where_and_what_is_allowed() {
    let mut different = Vec::new();
    for path in specs("refused") {
        let said = match read(&path) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => format!("{error}\n"),
        };
        let expected = PathBuf::from(format!("{}.txt", path.display()));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != said {
            different.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn each_refusal_is_the_users_and_has_its_place() {
    for path in specs("refused") {
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{}", path.display());
        let place = format!(
            "--> {}:{}:{}\n",
            error.context("file").unwrap(),
            error.context("line").unwrap(),
            error.context("column").unwrap()
        );
        assert!(error.message().contains(&place), "{error}\nhas no {place}");
    }
}

#[test]
fn the_three_formats_say_the_same() {
    let specs: Vec<_> = specs("accepted").iter().map(|path| read(path).unwrap()).collect();
    assert_eq!(specs.len(), 3);
    assert!(specs.iter().all(|spec| *spec == specs[0]));
    assert_eq!(specs[0].workloads["web"].replicas, 6);
    assert_eq!(specs[0].strategy.name, "canary");
}
