//! Simulated platforms, load and checks for deployers, routers, stores and strategies.
