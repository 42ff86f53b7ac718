//! Benchmarks of the engine, side by side in one run.
