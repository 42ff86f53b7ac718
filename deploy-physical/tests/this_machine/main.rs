//! A machine with real processes, each test under a directory of its own.

#![allow(clippy::expect_used, reason = "a test says what it expected, its helpers too")]

mod archives;
mod common;
mod engine;
mod host;
mod instances;
mod kept;
mod prepare;
mod tasks;
