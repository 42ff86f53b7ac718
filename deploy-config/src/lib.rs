//! Deployment specs from YAML, TOML and JSON, with file, line and column in every error.
