//! A map that is read by keys in its order: what is found, and that no key is searched for.

use deploy_core::InOrder;
use proptest::prelude::*;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

thread_local! {
    static COMPARED: Cell<usize> = const { Cell::new(0) };
}

/// A key that counts how often one is compared with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted(u32);

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

proptest! {
    #[test]
    fn every_key_in_any_order_is_found_or_found_missing(
        map in proptest::collection::btree_map(0..20_u32, 0..9_u32, 0..9),
        keys in proptest::collection::vec(0..20_u32, 0..20),
    ) {
        let mut read = InOrder::new(&map);
        for key in keys {
            prop_assert_eq!(read.get(&key), map.get(&key));
        }
    }
}

#[test]
fn a_key_that_was_found_is_found_again() {
    let map: BTreeMap<_, _> = [(1, "a"), (3, "c")].into();
    let mut read = InOrder::new(&map);
    assert_eq!(
        [1, 1, 2, 2, 3, 3, 1].map(|key| read.get(&key).copied()),
        [Some("a"), Some("a"), None, None, Some("c"), Some("c"), Some("a"),]
    );
}

#[test]
fn keys_that_come_in_order_are_compared_twice_at_most() {
    let map: BTreeMap<_, _> = (0..1000).map(|key| (Counted(2 * key), key)).collect();
    let mut read = InOrder::new(&map);
    COMPARED.set(0);
    for key in 0..2000 {
        assert_eq!(read.get(&Counted(key)).is_some(), key % 2 == 0);
    }
    assert!(COMPARED.get() <= 4000, "{} comparisons", COMPARED.get());
}
