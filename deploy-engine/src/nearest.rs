//! The nearest of the ids there are, for an unknown one.

use deploy_core::{DeploymentId, Error, Filter, Kind, Result, Store};

/// Adds the nearest id to the error of an unknown one.
pub(crate) async fn explain<T>(store: &dyn Store, id: &DeploymentId, found: Result<T>) -> Result<T> {
    match found {
        Err(error) if error.kind() == Kind::NotFound => Err(unknown(store, id).await.unwrap_or(error)),
        found => found,
    }
}

async fn unknown(store: &dyn Store, id: &DeploymentId) -> Option<Error> {
    let all = store.list(&Filter::default()).await.ok()?;
    let nearest = all.into_iter().min_by_key(|summary| distance(id.as_str(), summary.id.as_str()))?.id;
    let message = format!("there is no deployment {id}; the nearest is {nearest}");
    Some(Error::new(Kind::NotFound, message).with("nearest", nearest))
}

/// The Levenshtein distance: how many characters are to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn the_distance_counts_single_characters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
