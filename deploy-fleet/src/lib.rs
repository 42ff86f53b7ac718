//! The one executor for platforms that start single instances.
