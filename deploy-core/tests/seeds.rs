//! What is decided in hostile worlds, seed by seed: a line for each run, the same as long as the machine decides the same.
//!
//! No guarantee is proven by it, `deploy-testkit` does that over thousands of seeds: it shows that a change which was meant
//! to change nothing did not (`INSTA_UPDATE=always cargo test -p deploy-core --test seeds`, then `git diff`).

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

use deploy_testkit::sim::{Profile, campaign};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// So many of each strategy on each platform.
const SEEDS: u64 = 2;

#[test]
fn the_same_is_decided_as_before() {
    let mut text = String::new();
    for profile in Profile::ALL {
        for strategy in campaign::STRATEGIES {
            for seed in 100..100 + SEEDS {
                let run = campaign::play(seed, profile, strategy).unwrap();
                assert!(run.world.trail.broken.is_empty(), "{:?}", run.world.trail.broken);
                let mut digest = Sha256::new();
                let _ = write!(text, "{profile:?} {strategy} {seed}:");
                for (record, events) in &run.history {
                    digest.update(serde_json::to_vec(events).unwrap());
                    digest.update(serde_json::to_vec(record).unwrap());
                    let _ = write!(text, " {} by {} events,", record.status(), events.len());
                }
                let digest =
                    digest.finalize().iter().take(6).fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
                let _ = writeln!(text, " {digest}");
            }
        }
    }
    insta::assert_snapshot!(text);
}
