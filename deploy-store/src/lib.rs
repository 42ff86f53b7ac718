//! Durable records: SQLite.
