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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_switched_off_changes_nothing_of_the_rest() {
        let drawn = |without: &[usize]| {
            let mut draw = Draw::new(3, without.iter().copied().collect());
            let taken: Vec<_> = (0..20).map(|_| draw.some(50, "a number", Dice::roll)).collect();
            (taken, draw.drawn())
        };
        let (all, words) = drawn(&[]);
        let (fewer, same_words) = drawn(&[1]);
        assert_eq!(words, same_words);
        let different: Vec<_> = all.iter().zip(&fewer).filter(|(one, other)| one != other).collect();
        assert!(matches!(different[..], [(Some(_), None)]), "{different:?}");
    }
}
