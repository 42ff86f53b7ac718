//! Simulated platforms, load and checks for deployers, routers, stores and strategies.

pub mod app;
pub mod chaos;
pub mod conformance;
pub mod load;
pub mod process;
pub mod sim;
pub mod wait;
