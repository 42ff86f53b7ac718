//! Routers for docker and plain hosts; the embedded reverse proxy.
#![allow(dead_code)]
mod body;
mod book;
mod config;
mod divider;
mod embedded;
mod exchange;
mod headers;
mod listen;
mod metrics;
mod mirror;
mod pool;
mod proxy;
mod rules;
mod serve;
mod state;
mod sticky;
mod table;
mod track;
mod upgrade;
mod upstream;
pub use config::{Choice, Config};
pub use embedded::EmbeddedProxy;
