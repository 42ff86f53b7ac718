//! What happened in a run, and what was broken.

use deploy_core::Timestamp;
use std::fmt;

/// So many of the newest lines are kept.
const KEPT: usize = 4_000;

/// The lines of a run, and the guarantees that were broken in it.
#[derive(Debug, Clone)]
pub struct Trail {
    lines: Vec<(Timestamp, String)>,
    /// So many of the newest lines are kept at least.
    pub kept: usize,
    /// What was broken: the guarantee and how.
    pub broken: Vec<Breach>,
}

impl Default for Trail {
    fn default() -> Self {
        Self { lines: Vec::new(), kept: KEPT, broken: Vec::new() }
    }
}

/// A guarantee that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Its name: `G1` to `G14`, or another property's.
    pub guarantee: &'static str,
    /// How, in words.
    pub how: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guarantee, self.how)
    }
}

impl Trail {
    /// Adds a line.
    pub fn note(&mut self, now: Timestamp, line: impl Into<String>) {
        if self.kept == 0 {
            return;
        }
        if self.lines.len() >= 2 * self.kept {
            self.lines.drain(..self.kept);
        }
        self.lines.push((now, line.into()));
    }

    /// Says that a guarantee is broken.
    pub fn broken(&mut self, now: Timestamp, guarantee: &'static str, how: impl Into<String>) {
        let breach = Breach { guarantee, how: how.into() };
        self.note(now, format!("BROKEN {breach}"));
        if self.broken.len() < 50 {
            self.broken.push(breach);
        }
    }

    /// The last lines up to the first breach of a guarantee, oldest first.
    pub fn before(&self, guarantee: &str, lines: usize) -> String {
        let begin = format!("BROKEN {guarantee}:");
        let end =
            self.lines.iter().position(|(_, line)| line.starts_with(&begin)).map_or(self.lines.len(), |at| at + 1);
        shown(&self.lines[end.saturating_sub(lines)..end])
    }

    /// The last lines, oldest first.
    pub fn tail(&self, lines: usize) -> String {
        shown(&self.lines[self.lines.len().saturating_sub(lines)..])
    }
}

fn shown(lines: &[(Timestamp, String)]) -> String {
    let lines = lines.iter().map(|(at, line)| format!("{} {line}", at.strftime("%H:%M:%S%.3f")));
    lines.collect::<Vec<_>>().join("\n")
}
