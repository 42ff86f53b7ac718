//! Where the project and its caches stand.

use std::env;
use std::path::{Path, PathBuf};

/// Where the project and its caches stand.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) tools: PathBuf,
    /// In CI what could not run counts as failed.
    pub(crate) ci: bool,
}

impl Place {
    pub(crate) fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = root.canonicalize().unwrap_or(root);
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
        Self { root, target, tools: cache().join("tools"), ci: env::var("CI").is_ok_and(|ci| ci == "true") }
    }
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| ".".into()));
    env::var_os("DEPLOY_CACHE").map_or_else(|| home().join(".cache/deploy"), PathBuf::from)
}
