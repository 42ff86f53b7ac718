//! Tests that need something special, by the reason they are ignored for.
//!
//! `#[ignore = "needs docker (starts 3 containers)"]` runs wherever docker is; `#[ignore = "soak: 20,000 seeds"]` runs
//! in the soak alone. Any other reason is taken for the first with nothing to look for.

use crate::place::Place;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is needed, and a command that ends well where it is there.
const KNOWN: &[(&str, &[&str])] = &[
    ("docker", &["docker", "info"]),
    ("haproxy", &["haproxy", "-v"]),
    ("nginx", &["nginx", "-v"]),
    ("traefik", &["traefik", "version"]),
    ("postgres", &["pg_config", "--version"]),
    ("kubernetes", &["kubectl", "version"]),
    ("systemd", &["systemctl", "is-system-running"]),
    ("sshd", &["sh", "-c", "command -v sshd"]),
    ("root", &["sh", "-c", "test $(id -u) = 0"]),
];

/// A test that is ignored unless asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) test: String,
    pub(crate) need: String,
    pub(crate) soak: bool,
}

/// Every such test of the workspace.
pub(crate) fn marked(place: &Place) -> Vec<Marked> {
    let mut found = Vec::new();
    walk(&place.root, &mut |path| found.extend(fs::read_to_string(path).map(|text| marks(&text)).unwrap_or_default()));
    found
}

fn walk(folder: &Path, take: &mut dyn FnMut(&Path)) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.is_dir() {
            true if name != "target" && !name.starts_with('.') => walk(&path, take),
            false if name.ends_with(".rs") => take(&path),
            _ => {}
        }
    }
}

fn marks(text: &str) -> Vec<Marked> {
    let mut parts = text.split("\n").map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = parts.next() {
        let Some(reason) = line.strip_prefix("#[ignore = \"").and_then(|rest| rest.strip_suffix("\"]")) else {
            continue;
        };
        let Some(test) = parts.by_ref().find_map(name) else { break };
        let need =
            reason.strip_prefix("needs ").and_then(|rest| rest.split([' ', ',', ':']).next()).unwrap_or_default();
        found.push(Marked { test, need: need.to_owned(), soak: reason.starts_with("soak") });
    }
    found
}

/// The name of the function that a line begins.
fn name(line: &str) -> Option<String> {
    let rest = line.split_once("fn ").filter(|(before, _)| before.split_whitespace().all(|word| word == "async"))?.1;
    rest.split(['(', '<']).next().map(str::to_owned)
}

/// Whether this machine has it; what is not known is taken to be there.
pub(crate) fn can(need: &str) -> bool {
    let Some((_, probe)) = KNOWN.iter().find(|(known, _)| *known == need) else { return true };
    let mut command = Command::new(probe[0]);
    command.args(&probe[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What tests need and this machine has not.
pub(crate) fn missing(marked: &[Marked]) -> BTreeSet<&str> {
    let needs: BTreeSet<_> = marked.iter().filter(|mark| !mark.soak).map(|mark| mark.need.as_str()).collect();
    needs.into_iter().filter(|need| !can(need)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_with_their_reason() {
        let text = "\
            #[test]\n  #[ignore = \"needs docker (starts 3 containers)\"]\n  fn one() {}\n\
            #[ignore = \"soak: long\"]\n#[tokio::test]\nasync fn two() {}\n\
            #[ignore = \"flaps by nature\"]\nfn three<T>() {}\nfn four() {}";
        let mark = |test: &str, need: &str, soak| Marked { test: test.into(), need: need.into(), soak };
        assert_eq!(marks(text), [mark("one", "docker", false), mark("two", "", true), mark("three", "", false)]);
    }

    #[test]
    fn what_nobody_knows_is_taken_to_be_there() {
        assert!(can("a free evening") && can(""));
    }
}
