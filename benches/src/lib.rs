//! What the benchmarks share: what they measure, and the table they print.

mod scene;
mod table;

pub use scene::Scene;
pub use table::{Goal, Row, Table, Verdict, median};
