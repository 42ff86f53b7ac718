//! Values with their places, and the way from a key's path to its place.

use crate::trouble::{Span, Trouble};
use crate::{DEEPEST, LARGEST_COUNT};
use std::collections::HashMap;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A value of any of the formats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Boolean(bool),
    Positive(u64),
    Negative(i64),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys with their places and values, in the order of the document.
pub(crate) type Table = Vec<(Key, Node)>;

/// A key and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) span: Span,
    pub(crate) text: String,
}

impl Value {
    /// Takes a number that is written as in JSON; none for everything else.
    pub(crate) fn number(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let leads = digits.starts_with(|c: char| c.is_ascii_digit());
        let octal = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        if !plain || !leads || octal || digits.ends_with('.') || digits.contains(".e") || digits.contains(".E") {
            return None;
        }
        let positive = || text.parse().ok().map(Self::Positive);
        let negative = || text.parse().ok().map(Self::Negative);
        let real = || text.parse().ok().filter(|real: &f64| real.is_finite()).map(Self::Real);
        positive().or_else(negative).or_else(real)
    }
}

impl Node {
    /// Checks that no key is given twice in one table.
    pub(crate) fn once(&self) -> Result<(), Trouble> {
        let mut seen = HashMap::new();
        if let Value::Table(table) = &self.value {
            for (key, child) in table {
                if let Some(first) = seen.insert(key.text.as_str(), &key.span) {
                    return Err(twice(key, first));
                }
                child.once().map_err(|trouble| trouble.under(&key.text))?;
            }
        }
        match &self.value {
            Value::List(list) => {
                let each = |(index, child): (usize, &Self)| child.once().map_err(|t| t.under(index.to_string()));
                list.iter().enumerate().try_for_each(each)
            }
            _ => Ok(()),
        }
    }

    /// How many values it is made of.
    pub(crate) fn count(&self) -> usize {
        1 + self.children().map(Self::count).sum::<usize>()
    }

    /// How many levels it has.
    pub(crate) fn depth(&self) -> usize {
        1 + self.children().map(Self::depth).max().unwrap_or(0)
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let (list, table): (&[Self], &[(Key, Self)]) = match &self.value {
            Value::List(list) => (list, &[]),
            Value::Table(table) => (&[], table),
            _ => (&[], &[]),
        };
        list.iter().chain(table.iter().map(|(_, node)| node))
    }

    /// Finds the place of a key's path, or of its nearest ancestor that is there.
    pub(crate) fn place(&self, text: &str, path: &str) -> Span {
        let (mut node, mut place, mut rest) = (self, self.head(text, None), path);
        while let Some((key, child, left)) = node.step(rest) {
            (node, place, rest) = (child, child.head(text, key), left);
        }
        place
    }

    /// Finds the value at a key's path.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<&'a Self> {
        match path {
            "" => Some(self),
            path => self.step(path).and_then(|(_, child, rest)| child.find(rest)),
        }
    }

    /// The place of a key in a table.
    pub(crate) fn key(&self, text: &str) -> Option<&Span> {
        let Value::Table(table) = &self.value else { return None };
        table.iter().find(|(key, _)| key.text == text).map(|(key, _)| &key.span)
    }

    /// The place of a word in a list.
    pub(crate) fn item(&self, text: &str) -> Option<&Span> {
        let Value::List(list) = &self.value else { return None };
        list.iter().find(|item| matches!(&item.value, Value::Text(own) if own == text)).map(|item| &item.span)
    }

    /// Goes one key down. Keys may have dots in them: the longest that fits is taken.
    fn step<'a>(&'a self, path: &'a str) -> Option<(Option<&'a Key>, &'a Self, &'a str)> {
        let left = |key: &str| {
            let rest = path.strip_prefix(key)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
        };
        match &self.value {
            Value::Table(table) => table
                .iter()
                .filter_map(|(key, child)| left(&key.text).map(|rest| (Some(key), child, rest)))
                .filter(|_| !path.is_empty())
                .max_by_key(|(_, _, rest)| std::cmp::Reverse(rest.len())),
            Value::List(list) => {
                let (index, rest) = path.split_once('.').unwrap_or((path, ""));
                list.get(index.parse::<usize>().ok()?).map(|child| (None, child, rest))
            }
            _ => None,
        }
    }

    /// The place that is shown for it: itself where it stands in one line, else its key, else its first line.
    pub(crate) fn head(&self, text: &str, key: Option<&Key>) -> Span {
        let own = text.get(self.span.clone()).unwrap_or_default();
        match key {
            Some(key) if own.trim_end().is_empty() || own.trim_end().contains('\n') => key.span.clone(),
            _ => {
                let line = own.lines().next().unwrap_or_default().trim_end();
                self.span.start..self.span.start + line.len()
            }
        }
    }
}

fn twice(key: &Key, first: &Span) -> Trouble {
    Trouble::new(format!("`{}` is given twice", key.text))
        .here(&key.span)
        .label("again here")
        .also(first, "first here")
        .help("keep one of them, or give one another name")
        .under(&key.text)
}

/// Keeps a document within bounds while it is read.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    count: usize,
}

impl Bounds {
    /// Takes note of values at a depth.
    pub(crate) fn take(&mut self, count: usize, depth: usize, span: &Span) -> Result<(), Trouble> {
        self.count += count;
        let beyond = |what: String| Err(Trouble::new(what).here(span).label("here it goes beyond"));
        if depth > DEEPEST {
            return beyond(format!("nested too deep: {DEEPEST} levels are allowed"));
        }
        if self.count > LARGEST_COUNT {
            return beyond(format!(
                "too many values: {LARGEST_COUNT} are allowed, those that aliases stand for included"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_json_calls_a_number_is_one() {
        for text in ["0", "-1", "12", "1.5", "1e3", "1E-3", "-0.25", "18446744073709551615"] {
            assert!(Value::number(text).is_some(), "{text}");
        }
        for text in
            ["", "-", "+1", "017", "0o17", "0x1f", "1_000", ".5", "5.", "1.e3", "nan", ".inf", "1e999", "1-2", "٣"]
        {
            assert!(Value::number(text).is_none(), "{text}");
        }
    }
}
