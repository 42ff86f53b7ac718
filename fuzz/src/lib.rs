//! What is read from strangers, as targets of a fuzzer.
//!
//! A target takes bytes and panics where something that must hold does not. `tests/replay.rs` plays the corpus through
//! every target, with any toolchain and in seconds; `driver/` lets libFuzzer look for more, in `cargo xtask soak`.

#![allow(clippy::expect_used, reason = "a target panics where something does not hold")]

mod archives;
mod config;
mod control;
mod http;
pub mod mutate;
mod records;
mod upstream;
mod wire;

#[path = "../../deploy-physical/src/archive.rs"]
#[allow(dead_code, unreachable_pub, reason = "the file of another crate, as it is there")]
mod archive;
#[path = "../../deploy-physical/src/artifact.rs"]
#[allow(dead_code, unreachable_pub, reason = "the file of another crate, as it is there")]
mod artifact;
#[path = "../../deploy-physical/src/error.rs"]
#[allow(dead_code, unreachable_pub, reason = "the file of another crate, as it is there")]
mod error;
#[path = "../../deploy-traffic/src/control/protocol.rs"]
#[allow(dead_code, unreachable_pub, reason = "the file of another crate, as it is there")]
mod protocol;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and its folder under `corpus`.
    pub name: &'static str,
    /// Takes an input; panics where something does not hold.
    pub run: fn(&[u8]),
    /// Its inputs are JSON, and are best changed as such.
    pub json: bool,
}

/// Every target.
pub const TARGETS: [Target; 5] = [
    Target { name: "config", run: config::run, json: false },
    Target { name: "archives", run: archives::run, json: false },
    Target { name: "http", run: http::run, json: false },
    Target { name: "control", run: control::run, json: true },
    Target { name: "records", run: records::run, json: true },
];
