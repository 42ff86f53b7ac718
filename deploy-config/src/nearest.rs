//! The known word that somebody may have meant.

/// Finds the known word nearest to what was written, where one is near enough: at most a third of it is different, or what
/// was written is its beginning, of 3 letters or more.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase();
    if written.chars().count() > 64 {
        return None;
    }
    let distances = known.iter().map(|word| (distance(&written, &word.to_lowercase()), *word));
    let (distance, word) = distances.min_by_key(|(distance, _)| *distance)?;
    let begun = || known.iter().find(|word| written.len() >= 3 && word.starts_with(&written)).copied();
    if distance <= word.chars().count().max(3) / 3 { Some(word) } else { begun() }
}

/// How many letters have to be put in, taken out, replaced or swapped with the next (Damerau's distance, restricted).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["replicas", "routed", "source", "env"];
        for (written, meant) in [
            ("replica", Some("replicas")),
            ("Replicas", Some("replicas")),
            ("sorce", Some("source")),
            ("suorce", Some("source")),
            ("evn", Some("env")),
            ("repl", Some("replicas")),
            ("re", None),
            ("volumes", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, &known), meant, "{written}");
        }
        assert_eq!(nearest("x", &[]), None);
    }
}
