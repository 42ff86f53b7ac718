//! What is read from files: the spec itself and its local sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deploy_config::{load, load_with, release};
use deploy_core::{DirectoryDigest, Kind, Result, Source, Spec, hexadecimal};
use deploy_strategies::Registry;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn spec(directory: &TempDir, source: &str) -> Result<Spec> {
    let path = directory.path().join("deploy.yaml");
    fs::write(&path, format!("application: shop\nworkloads:\n  web:\n    source: {{ {source} }}\n")).unwrap();
    load(&path)
}

fn refusal(directory: &TempDir, source: &str) -> String {
    let error = spec(directory, source).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    error.message().replace(directory.path().to_str().unwrap(), "DIR")
}

fn sha256(content: &str) -> String {
    hexadecimal(&Sha256::digest(content))
}

#[test]
fn an_artifact_is_held_to_its_digest_and_size() {
    let here = directory(&[("build/web", "bits")]);
    let Source::Artifact(file) = spec(&here, "artifact: build/web").unwrap().workloads["web"].source.clone() else {
        unreachable!("an artifact stays one")
    };
    assert_eq!(Path::new(&file.path), here.path().join("build/web"));
    assert_eq!(file.sha256, Some(sha256("bits")));
    assert_eq!(file.size, Some(4));
}

#[cfg(unix)]
#[test]
fn a_directory_is_held_to_its_files_with_their_modes() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let here = directory(&[("site/index.html", "hello"), ("site/bin/run", "go")]);
    fs::set_permissions(here.path().join("site/bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("index.html", here.path().join("site/home.html")).unwrap();
    fs::create_dir(here.path().join("site/empty")).unwrap();
    let Source::Directory(file) = spec(&here, "directory: site").unwrap().workloads["web"].source.clone() else {
        unreachable!("a directory stays one")
    };
    let mut expected = DirectoryDigest::new();
    expected.add("bin/run", true, sha256("go")).add("index.html", false, sha256("hello"));
    expected.add("home.html", false, sha256("hello"));
    assert_eq!(file.sha256, Some(expected.finish()));
    assert_eq!(file.size, Some(12));
}

#[test]
fn an_overlay_is_held_too() {
    let here = directory(&[("new", "bits")]);
    let path = here.path().join("deploy.toml");
    let text = "application = 'shop'\n[workloads.web.source]\nimage = 'x'\n[environments.test]\ntarget = 'local'\n\
                workloads.web.source.artifact = 'new'\n";
    fs::write(&path, text).unwrap();
    let spec = load(&path).unwrap();
    let source = spec.environments["test"].workloads["web"].source.clone();
    assert!(matches!(source, Some(Source::Artifact(file)) if file.sha256 == Some(sha256("bits"))));
}

#[test]
fn a_release_follows_the_bits() {
    let here = directory(&[("web", "one")]);
    spec(&here, "artifact: web").unwrap();
    let made = || release(here.path().join("deploy.yaml")).unwrap().id;
    let one = made();
    assert_eq!(one, made());
    fs::write(here.path().join("web"), "two").unwrap();
    assert_ne!(one, made());
}

#[test]
fn what_cannot_be_run_is_refused_at_its_place() {
    let here = directory(&[("empty", ""), ("web", "bits")]);
    fs::create_dir(here.path().join("nothing")).unwrap();
    let cases = [
        ("artifact: gone", "there is no `DIR/gone`", "gone"),
        ("artifact: empty", "`DIR/empty` is empty: there is nothing to run", "empty"),
        ("artifact: nothing", "`DIR/nothing` is a directory: name a file, or use `directory`", "nothing"),
        ("directory: nothing", "`DIR/nothing` is empty: there is nothing to run", "nothing"),
        ("directory: web", "`DIR/web` is a file: name a directory, or use `artifact`", "web"),
        ("artifact: { path: web, size: 5 }", "`web` has 4 bytes, not 5", "5"),
    ];
    for (source, message, marked) in cases {
        let line = format!("    source: {{ {source} }}");
        let column = line.rfind(marked).unwrap() + 1;
        let mark = format!("{}{}", " ".repeat(column - 1), "^".repeat(marked.len()));
        let expected = format!("{message}\n --> DIR/deploy.yaml:4:{column}\n  |\n4 | {line}\n  | {mark}");
        assert_eq!(refusal(&here, source), expected);
    }
}

#[test]
fn other_bits_than_the_spec_says_are_refused() {
    let here = directory(&[("web", "bits")]);
    let said = refusal(&here, &format!("artifact: {{ path: web, sha256: {} }}", sha256("other bits")));
    assert!(said.starts_with(&format!("`web` has the SHA-256 {}, not {}\n", sha256("bits"), sha256("other bits"))));
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_to_a_directory_or_nowhere_is_refused() {
    use std::os::unix::fs::symlink;
    let here = directory(&[("site/index.html", "hello"), ("other/file", "x")]);
    symlink("..", here.path().join("site/loop")).unwrap();
    assert!(refusal(&here, "directory: site").contains("`DIR/site/loop` is neither a file, nor a directory"));
    symlink("gone", here.path().join("other/broken")).unwrap();
    assert!(refusal(&here, "directory: other").contains("there is no `DIR/other/broken`"));
}

#[test]
fn a_file_that_is_no_spec_says_why() {
    let here = directory(&[("spec.ini", ""), ("large.yaml", &" ".repeat(deploy_config::LARGEST_FILE + 1))]);
    fs::write(here.path().join("latin.yaml"), b"application: shop\n# caf\xe9\n").unwrap();
    let said = |name: &str| {
        let error = load(here.path().join(name)).unwrap_err();
        (error.kind(), error.message().replace(here.path().to_str().unwrap(), "DIR"))
    };
    assert_eq!(
        said("spec.ini"),
        (Kind::Invalid, "DIR/spec.ini: name a spec `.yaml`, `.yml`, `.toml` or `.json`".into())
    );
    assert_eq!(
        said("large.yaml"),
        (Kind::Invalid, "DIR/large.yaml: a spec has at most 1048576 bytes; this is more".into())
    );
    assert_eq!(
        said("latin.yaml"),
        (Kind::Invalid, "DIR/latin.yaml:2: this line is not UTF-8; save the file as UTF-8".into())
    );
    assert_eq!(said("gone.yaml").0, Kind::NotFound);
}

#[test]
fn strategies_are_asked_where_they_are_given() {
    let here = directory(&[(
        "deploy.yaml",
        "application: shop\nstrategy: odd\nworkloads: { web: { source: { image: x } } }\n",
    )]);
    let path = here.path().join("deploy.yaml");
    let error = load_with(&path, &Registry::default()).unwrap_err();
    assert_eq!((error.context("line"), error.context("column")), (Some("2"), Some("11")));
}
