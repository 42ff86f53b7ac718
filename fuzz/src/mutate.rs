//! Changes JSON as JSON, so that what comes of it is still read.

use serde_json::{Number, Value};

/// Changes a document a little; none where it is no JSON. The same seed gives the same change.
pub fn json(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(bytes).ok()?;
    let mut dice = Dice(u64::from(seed) | 1 << 40);
    let all = count(&root);
    let donor = at(&mut root, &mut dice.below(all))?.clone();
    for _ in 0..=dice.below(3) {
        let mut place = dice.below(count(&root));
        change(at(&mut root, &mut place)?, &donor, &mut dice);
    }
    serde_json::to_vec(&root).ok()
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(table) => table.values().map(count).sum(),
        _ => 0,
    }
}

/// The value of a place, counted from the root down.
fn at<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(table) => table.values_mut().collect(),
        _ => return None,
    };
    children.into_iter().find_map(|child| at(child, place))
}

fn change(value: &mut Value, donor: &Value, dice: &mut Dice) {
    if dice.below(8) == 0 {
        *value = donor.clone();
        return;
    }
    match value {
        Value::Null => *value = donor.clone(),
        Value::Bool(yes) => *yes = !*yes,
        Value::Number(number) => *number = other_number(number, dice),
        Value::String(text) => other_text(text, donor, dice),
        Value::Array(items) => other_items(items, donor, dice),
        Value::Object(table) => {
            let key = table.keys().nth(dice.below(table.len())).cloned().unwrap_or_default();
            match dice.below(3) {
                0 => drop(table.remove(&key)),
                1 => drop(table.insert(key, donor.clone())),
                _ => drop(table.insert(key, Value::Null)),
            }
        }
    }
}

fn other_number(number: &Number, dice: &mut Dice) -> Number {
    const EDGES: [u64; 9] = [0, 1, 2, 10_000, 10_001, 65_536, u32::MAX as u64, i64::MAX as u64, u64::MAX];
    let own = number.as_u64().unwrap_or_default();
    match dice.below(4) {
        0 => own.wrapping_add(1).into(),
        1 => own.wrapping_sub(1).into(),
        2 => (own / 2).into(),
        _ => EDGES[dice.below(EDGES.len())].into(),
    }
}

fn other_text(text: &mut String, donor: &Value, dice: &mut Dice) {
    const EDGES: [&str; 8] = [
        "",
        "1970-01-01T00:00:00Z",
        "9999-12-30T22:00:00.999999999Z",
        "-009999-01-02T01:59:59Z",
        "584942417355y",
        "0s",
        "é",
        "100%",
    ];
    match (dice.below(3), donor) {
        (0, Value::String(other)) => text.clone_from(other),
        (1, _) => EDGES[dice.below(EDGES.len())].clone_into(text),
        _ => {
            // The ends of numbers, times and ids are digits more often than not.
            if let Some(digit) = text.pop() {
                text.push(char::from_digit(digit.to_digit(10).map_or(0, |digit| (digit + 1) % 10), 10).unwrap_or('0'));
            }
        }
    }
}

fn other_items(items: &mut Vec<Value>, donor: &Value, dice: &mut Dice) {
    let (one, other) = (dice.below(items.len()), dice.below(items.len()));
    match dice.below(4) {
        0 if !items.is_empty() => drop(items.remove(one)),
        1 if !items.is_empty() => items.insert(one, items[other].clone()),
        2 if !items.is_empty() => items.swap(one, other),
        _ => items.push(donor.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_json_is_json_and_the_same_for_the_same_seed() {
        let before = br#"{"a":[1,"x",null,true],"b":{"c":"2026-01-01T00:00:00Z"}}"#;
        let mut different = 0;
        for seed in 0..500 {
            let after = json(before, seed).unwrap_or_default();
            assert!(serde_json::from_slice::<Value>(&after).is_ok());
            assert_eq!(json(before, seed).unwrap_or_default(), after);
            different += u32::from(after != before);
        }
        assert!(different > 400, "{different}");
        assert_eq!(json(b"{", 1), None);
    }
}
