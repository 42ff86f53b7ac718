//! Divides a stream of requests exactly.

use deploy_core::Share;

/// Picks a share of a stream: of any `n` in a row, the number picked is the share of `n`, at most one off.
///
/// The share is added up for each request; each whole is one picked (Bresenham's line).
#[derive(Debug, Clone)]
pub(crate) struct Divider {
    share: Share,
    carried: u16,
}

const WHOLE: u16 = Share::WHOLE.points();

impl Divider {
    pub(crate) const fn new(share: Share) -> Self {
        Self { share, carried: 0 }
    }

    pub(crate) const fn share(&self) -> Share {
        self.share
    }

    /// Whether the next one is picked.
    pub(crate) fn next(&mut self) -> bool {
        self.carried += self.share.points();
        let picked = self.carried >= WHOLE;
        if picked {
            self.carried -= WHOLE;
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picked(points: u16, number: usize) -> Vec<bool> {
        let mut divider = Divider::new(Share::basis_points(points));
        (0..number).map(|_| divider.next()).collect()
    }

    #[test]
    fn nothing_picks_none_and_the_whole_picks_all() {
        assert!(picked(0, 100).iter().all(|picked| !picked));
        assert!(picked(10_000, 100).iter().all(|picked| *picked));
    }

    #[test]
    fn one_basis_point_is_exactly_one_in_ten_thousand() {
        assert_eq!(picked(1, 30_000).iter().filter(|picked| **picked).count(), 3);
    }

    proptest! {
        #[test]
        fn any_window_is_at_most_one_off(points in 0u16..=10_000, start in 0usize..2_000, length in 0usize..2_000) {
            let window = picked(points, start + length).split_off(start);
            let seen = window.iter().filter(|picked| **picked).count() as f64;
            let wanted = f64::from(points) * length as f64 / 10_000.0;
            prop_assert!((seen - wanted).abs() <= 1.0, "{seen} of {length}, wanted {wanted}");
        }
    }
}
