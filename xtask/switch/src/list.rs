//! What cargo-mutants lists.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// One change of the sources.
#[derive(Debug, Deserialize)]
pub struct Mutant {
    pub package: String,
    pub name: String,
    pub file: PathBuf,
    pub genre: Genre,
    pub replacement: String,
    pub span: Span,
    function: Option<Function>,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Debug, Deserialize)]
struct Function {
    return_type: String,
}

/// Lines and columns from 1; the end is not part of it.
#[derive(Debug, Deserialize)]
pub struct Span {
    start: Place,
    end: Place,
}

#[derive(Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Mutant {
    /// Whether what it is in gives an iterator whose type is not named.
    pub fn gives_an_iterator(&self) -> bool {
        self.function.as_ref().is_some_and(|function| function.return_type.starts_with("-> impl Iterator"))
    }
}

impl Span {
    /// The bytes of a text that it means.
    pub fn bytes(&self, text: &str) -> Option<(usize, usize)> {
        Some((self.start.byte(text)?, self.end.byte(text)?))
    }
}

impl Place {
    fn byte(&self, text: &str) -> Option<usize> {
        let mut begins = 0;
        for line in text.split_inclusive('\n').take(self.line - 1) {
            begins += line.len();
        }
        let line = text.get(begins..)?;
        let column = line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(self.column - 1)?;
        Some(begins + column)
    }
}

pub fn read(path: &Path) -> io::Result<Vec<Mutant>> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}
