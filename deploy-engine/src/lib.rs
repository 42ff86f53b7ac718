//! The async shell around the state machine: steps, leases, recovery, limits, layers.
