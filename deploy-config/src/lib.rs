//! Deployment specs from YAML, TOML and JSON, with file, line, column and the lines themselves in every error.
//!
//! [`load`] reads a file, checks it and holds local sources to their digests; [`parse`] takes text and touches no file;
//! [`schema`] is the JSON Schema for editors. An error is [`deploy_core::Error`] of kind `Invalid`: its message shows the
//! place in the file, and its context has `file`, `line`, `column` and `at`, the key's path.
//!
//! All three formats are read to one tree of values with their places, and the spec is read from that tree. What they have
//! in common, therefore: a key given twice is an error, a key that nobody knows is an error, and only what is written like
//! a number in JSON is a number. In YAML that means: `true` and `false` are the only booleans (`yes`, `on` and `True` are
//! text), `017`, `0o17` and `0x1F` are text and refused where a number is needed, aliases are taken (within
//! [`LARGEST_COUNT`]), merge keys (`<<`), tags and several documents in one file are not.
//!
//! ```
//! use deploy_config::{Format, parse};
//!
//! let spec = parse("application: shop\nworkloads: { web: { source: { image: shop } } }", Format::Yaml, "shop.yaml")?;
//! assert_eq!(spec.application, "shop");
//!
//! let error = parse("application: shop\nworkload: {}", Format::Yaml, "shop.yaml").unwrap_err();
//! assert!(error.message().contains("did you mean `workloads`?"));
//! assert_eq!(error.context("line"), Some("2"));
//! # Ok::<(), deploy_core::Error>(())
//! ```

mod format;
mod json;
mod load;
mod locate;
mod nearest;
mod pin;
mod read;
mod report;
mod schema;
mod strategies;
mod toml;
mod trouble;
mod words;
mod yaml;

pub use format::Format;
pub use load::{load, load_with, parse, parse_with, release, release_with};
pub use schema::schema;

/// The largest file that is read, in bytes: 1 MiB.
pub const LARGEST_FILE: usize = 1024 * 1024;
/// The deepest nesting of lists and tables.
pub const DEEPEST: usize = 64;
/// The largest count of values in a file, those that aliases stand for included.
pub const LARGEST_COUNT: usize = 100_000;
