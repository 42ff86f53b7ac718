//! A machine with real processes, each test under a directory of its own.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test says what it expected")]

mod archives;
mod common;
mod engine;
mod instances;
mod kept;
mod prepare;
mod tasks;
