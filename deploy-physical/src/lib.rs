//! Plain hosts as a target: artifacts, releases, services; this machine for now.
