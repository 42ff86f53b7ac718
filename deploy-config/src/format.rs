//! The formats a spec can be written in.

use crate::locate::Node;
use crate::trouble::Trouble;
use deploy_core::{Error, Result};
use std::path::Path;

/// A format a spec can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2, as told in the crate's documentation.
    Yaml,
    /// TOML 1.1.
    Toml,
    /// JSON.
    Json,
}

impl Format {
    /// Tells the format by a file's extension: `yaml` or `yml`, `toml`, `json`.
    ///
    /// # Errors
    /// `Invalid` for any other.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Ok(Self::Yaml),
            "toml" => Ok(Self::Toml),
            "json" => Ok(Self::Json),
            _ => {
                let message = format!("{}: name a spec `.yaml`, `.yml`, `.toml` or `.json`", path.display());
                Err(Error::invalid(message).with("file", path.display()))
            }
        }
    }

    /// Reads values with their places, no key twice.
    pub(crate) fn read(self, text: &str) -> Result<Node, Trouble> {
        let root = match self {
            Self::Yaml => crate::yaml::read(text)?,
            Self::Toml => crate::toml::read(text)?,
            Self::Json => crate::json::read(text)?,
        };
        root.once()?;
        Ok(root)
    }
}
