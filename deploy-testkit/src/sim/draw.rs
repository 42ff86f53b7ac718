//! What a seed draws, each piece of which can be switched off.

use super::dice::Dice;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Draws troubles from a seed. Each has a number by the order of drawing, and its own chance: switching one off changes
/// none of the others.
#[derive(Debug)]
pub struct Draw {
    dice: Dice,
    without: BTreeSet<usize>,
    drawn: Vec<String>,
}

impl Draw {
    /// Draws of a seed, those of some numbers switched off.
    pub const fn new(seed: u64, without: BTreeSet<usize>) -> Self {
        Self { dice: Dice::new(seed), without, drawn: Vec::new() }
    }

    /// What everything depends on and nothing goes wrong by: sizes and versions.
    pub const fn frame(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Something that befalls in so many percent of the seeds.
    pub fn some<T: Debug>(&mut self, percent: u32, what: &str, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        let mut own = self.dice.fork();
        if !own.chance(percent) {
            return None;
        }
        let made = make(&mut own);
        self.drawn.push(format!("{what}: {made:?}"));
        let off = self.without.contains(&(self.drawn.len() - 1));
        (!off).then_some(made)
    }

    /// Everything that was drawn, in words and in the order of the numbers.
    pub fn drawn(self) -> Vec<String> {
        self.drawn
    }
}
