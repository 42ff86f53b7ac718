//! What README, guides and ARCHITECTURE show is so: specs can be read, and what is named in the code is there.

use deploy::config::{Format, parse};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(page: &str) -> String {
    let path = root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in a page between two marks, each time.
fn between(page: &str, begin: &str, end: &str) -> Vec<String> {
    let text = text(page);
    let parts = text.split(begin).skip(1).filter_map(|rest| rest.split_once(end));
    parts.map(|(part, _)| part.to_owned()).collect()
}

#[test]
fn the_specs_in_the_papers_can_be_read() {
    for (page, many) in [("README.md", 1), ("docs/guides/spec.md", 2)] {
        let specs = between(page, "```yaml\n", "```");
        assert_eq!(specs.len(), many, "{page}");
        for spec in specs {
            if let Err(error) = parse(&spec, Format::Yaml, page) {
                panic!("{error}");
            }
        }
    }
}

#[test]
fn the_walk_of_one_deployment_is_short_and_names_what_is_there() {
    let walk = between("docs/ARCHITECTURE.md", "## One deployment through the code", "```\n\n").concat();
    let walk = walk.split_once("```text\n").map(|(_, walk)| walk).unwrap_or_default();
    assert!((20..=40).contains(&walk.lines().count()), "{} lines", walk.lines().count());
    let code = sources(|path| path.components().any(|part| part.as_os_str() == "src"));
    let words = walk.split(|c: char| c.is_whitespace() || ",;()".contains(c));
    let words: Vec<_> = words.map(|word| word.trim_end_matches([':', '.'])).collect();
    for file in words.iter().filter(|word| word.ends_with(".rs")) {
        let (floor, rest) = file.split_once('/').unwrap_or_default();
        let krate = match floor {
            "E" => "deploy-engine",
            "C" => "deploy-core",
            "F" => "deploy-fleet",
            "P" => "deploy-physical",
            _ => panic!("{file} is under none of E, C, F and P"),
        };
        assert!(root().join(krate).join("src").join(rest).is_file(), "{file} is not there");
    }
    for (of, name) in words.iter().filter_map(|word| word.rsplit_once("::")) {
        let wanted = if name.starts_with(|c: char| c.is_ascii_lowercase()) { "fn " } else { "Effect::" };
        let is = |code: &str, at: usize| code[at..].starts_with(|c: char| !c.is_alphanumeric() && c != '_');
        let wanted = format!("{wanted}{name}");
        let found = |code: &String| code.match_indices(&wanted).any(|(at, found)| is(code, at + found.len()));
        assert!(code.iter().any(found), "{of}::{name} is not there");
    }
}

#[test]
fn the_tests_that_show_the_guarantees_are_there() {
    let named = named_tests(&between("docs/ARCHITECTURE.md", "## Guarantees", "## One deployment").concat());
    assert!(named > 10, "{named}");
}

#[test]
fn every_scenario_has_a_test() {
    let named = named_tests(&text("docs/scenarios.md"));
    assert!(named >= 47, "{named}");
}

/// How many tests a page names; each is there.
fn named_tests(page: &str) -> usize {
    let tests = sources(|path| path.components().any(|part| part.as_os_str() == "tests"));
    let named: Vec<_> = page.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 3).collect();
    for name in &named {
        let written = [format!("fn {name}("), format!(": {name};")];
        let there = |text: &String| written.iter().any(|written| text.contains(written));
        assert!(tests.iter().any(there), "{name} is not there");
    }
    named.len()
}

/// The text of every source of the workspace's libraries that is wanted.
fn sources(wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut files = Vec::new();
    let folders = fs::read_dir(root()).into_iter().flatten().flatten().map(|entry| entry.path());
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("deploy-"));
    folders.filter(ours).for_each(|folder| collect(&folder, &mut files));
    files.into_iter().filter(|path| wanted(path)).filter_map(|path| fs::read_to_string(path).ok()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}
