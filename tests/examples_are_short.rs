//! What the papers say of the length of a strategy and a platform of one's own, counted.

use std::path::Path;

/// Lines of code between `// <what>: begins` and `// <what>: ends`: neither blank nor comment.
fn lines_of(what: &str, example: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let part = text.split_once(&format!("// {what}: begins\n")).map(|(_, rest)| rest);
    let part = part.and_then(|rest| rest.split_once(&format!("// {what}: ends\n"))).map(|(part, _)| part);
    let part = part.unwrap_or_else(|| panic!("{example} has no part marked as {what}"));
    part.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn a_strategy_of_ones_own_takes_at_most_forty_lines() {
    let lines = lines_of("strategy", "custom_strategy.rs");
    assert!((5..=40).contains(&lines), "{lines} lines");
}

#[test]
fn a_platform_of_ones_own_takes_at_most_forty_lines() {
    let lines = lines_of("deployer", "custom_deployer.rs");
    assert!((10..=40).contains(&lines), "{lines} lines");
}
