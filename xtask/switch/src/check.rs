//! Which mutants keep the copy from compiling.

use crate::sheet::Sheet;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Deserialize)]
struct Line {
    message: Option<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    level: String,
    message: String,
    rendered: Option<String>,
    spans: Vec<Span>,
    children: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Span {
    file_name: PathBuf,
    byte_start: usize,
    byte_end: usize,
}

/// What keeps the copy from compiling.
#[derive(Debug, Default)]
pub struct Wrong {
    /// For each error the number of the mutant whose text it is about.
    pub mutants: BTreeSet<usize>,
    /// Functions that have to be `const`.
    pub constant: BTreeSet<String>,
}

impl Wrong {
    pub fn is_nothing(&self) -> bool {
        self.mutants.is_empty() && self.constant.is_empty()
    }
}

/// Compiles the copy.
///
/// # Errors
/// Where it does not compile and no mutant is to blame.
pub fn wrong(copy: &Path, sheets: &BTreeMap<PathBuf, Sheet>) -> io::Result<Wrong> {
    let mut cargo = Command::new("cargo");
    cargo.args(["check", "--workspace", "--all-features", "--lib", "--message-format", "json"]).current_dir(copy);
    let output = cargo.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let errors: Vec<_> = lines.filter_map(|line| line.message).filter(|message| message.level == "error").collect();
    let mut wrong = Wrong::default();
    for error in &errors {
        match whose(error, sheets) {
            Some(mutant) => _ = wrong.mutants.insert(mutant),
            None => wrong.constant.extend(called(&error.message)),
        }
    }
    if wrong.is_nothing() && !output.status.success() {
        let told = errors.iter().filter_map(|error| error.rendered.clone()).collect::<String>();
        return Err(io::Error::other(format!("{told}{}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(wrong)
}

fn whose(error: &Message, sheets: &BTreeMap<PathBuf, Sheet>) -> Option<usize> {
    let spans = error.spans.iter().chain(error.children.iter().flat_map(|child| &child.spans));
    let of = |span: &Span| sheets.get(&span.file_name)?.at(&Range { start: span.byte_start, end: span.byte_end });
    spans.filter_map(of).next()
}

/// The function that a constant calls: `cannot call non-const method `deploy_core::Share::points` in constants`.
fn called(message: &str) -> Option<String> {
    let path = message.strip_prefix("cannot call non-const")?.split('`').nth(1)?;
    path.rsplit("::").next().map(str::to_owned)
}
