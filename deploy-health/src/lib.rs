//! Health checks: HTTP, TCP, command, gRPC, composite.
