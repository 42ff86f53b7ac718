//! The smallest script that still breaks a guarantee.

use super::campaign::{Played, play_without};
use super::profile::Profile;
use deploy_core::Result;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What is left of a run that broke a guarantee.
#[derive(Debug)]
pub struct Shrunk {
    /// The guarantee.
    pub guarantee: &'static str,
    /// The numbers of what was switched off.
    pub without: BTreeSet<usize>,
    /// The run without it.
    pub played: Played,
}

/// Switches off what was drawn, one at a time, as long as the same guarantee breaks.
///
/// # Errors
/// As [`play_without`].
pub fn shrink(seed: u64, profile: Profile, name: &str, guarantee: &'static str) -> Result<Shrunk> {
    let breaks = |played: &Played| played.run.world.trail.broken.iter().any(|breach| breach.guarantee == guarantee);
    let mut without = BTreeSet::new();
    let mut played = play_without(seed, profile, name, &without)?;
    let mut again = true;
    while again {
        again = false;
        for number in (0..played.drawn.len()).rev() {
            let mut fewer = without.clone();
            if !fewer.insert(number) {
                continue;
            }
            let tried = play_without(seed, profile, name, &fewer)?;
            if breaks(&tried) {
                (without, played, again) = (fewer, tried, true);
            }
        }
    }
    Ok(Shrunk { guarantee, without, played })
}

impl Shrunk {
    /// What is left, how it is replayed, and the last lines of what happened.
    pub fn report(&self, seed: u64, profile: Profile, name: &str, lines: usize) -> String {
        let trail = &self.played.run.world.trail;
        let breach = trail.broken.iter().find(|breach| breach.guarantee == self.guarantee);
        let mut text = breach.map(ToString::to_string).unwrap_or_default();
        let numbers: Vec<_> = self.without.iter().map(ToString::to_string).collect();
        let without = if numbers.is_empty() { String::new() } else { format!("DEPLOY_WITHOUT={} ", numbers.join(",")) };
        let _infallible = write!(
            text,
            "\nreplay: DEPLOY_SEED={seed} DEPLOY_PROFILE={profile:?} DEPLOY_STRATEGY={name} {without}cargo test -p \
             deploy-testkit --test guarantees a_seed_replays_alike -- --nocapture\nit takes:"
        );
        for (number, what) in self.played.drawn.iter().enumerate().filter(|(number, _)| !self.without.contains(number))
        {
            let _infallible = write!(text, "\n  {number} {what}");
        }
        let _infallible = write!(text, "\n{}", trail.before(self.guarantee, lines));
        text
    }
}
