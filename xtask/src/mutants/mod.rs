//! Changes that must make a test fail: guards taken away by hand, and what cargo-mutants knows to change.
//!
//! All are built into one copy of the sources and switched by an environment variable, so that a mutant costs a test run
//! and no build.

mod by_hand;
mod kept;
mod listed;
mod programs;
mod tree;

pub(crate) use by_hand::try_all as by_hand;
pub(crate) use listed::try_all as listed;
