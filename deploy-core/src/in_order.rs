//! Reading a map by keys that mostly come in its order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Range;

/// Finds one key after the other. Keys that come in the map's order are found, or found missing, without a search, so
/// all of them take linear time; any other costs a search of its own.
#[derive(Debug, Clone)]
pub struct InOrder<'a, K, V> {
    map: &'a BTreeMap<K, V>,
    before: Before<'a, K>,
    next: Option<(&'a K, &'a V)>,
    rest: Range<'a, K, V>,
}

/// The key of the map that stands right before the next one.
#[derive(Debug, Clone, Copy)]
enum Before<'a, K> {
    None,
    Key(&'a K),
    NotKnown,
}

impl<'a, K: Ord, V> InOrder<'a, K, V> {
    /// Reads a map from its begin.
    pub fn new(map: &'a BTreeMap<K, V>) -> Self {
        let mut rest = map.range::<K, _>(..);
        Self { map, before: Before::None, next: rest.next(), rest }
    }

    /// What the map has for a key.
    pub fn get(&mut self, key: &K) -> Option<&'a V> {
        let mut order = self.next.map_or(Ordering::Less, |(next, _)| key.cmp(next));
        if order == Ordering::Greater || (order == Ordering::Less && !self.is_after_the_one_before(key)) {
            order = self.search(key);
        }
        let (found, value) = self.next.filter(|_| order == Ordering::Equal)?;
        self.before = Before::Key(found);
        self.next = self.rest.next();
        Some(value)
    }

    fn is_after_the_one_before(&self, key: &K) -> bool {
        match self.before {
            Before::None => true,
            Before::Key(before) => before < key,
            Before::NotKnown => false,
        }
    }

    fn search(&mut self, key: &K) -> Ordering {
        self.rest = self.map.range(key..);
        self.before = Before::NotKnown;
        self.next = self.rest.next();
        self.next.map_or(Ordering::Less, |(next, _)| key.cmp(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn in_whatever_order_keys_come_what_the_map_has_is_found(keys: Vec<u8>, asked: Vec<u8>) {
            let map: BTreeMap<u8, usize> = keys.into_iter().zip(0..).collect();
            let mut read = InOrder::new(&map);
            for key in asked {
                prop_assert_eq!(read.get(&key), map.get(&key));
            }
        }
    }
}
