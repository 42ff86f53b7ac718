//! Routers for docker and plain hosts; the embedded reverse proxy.
