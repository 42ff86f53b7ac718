//! JSON to values with their places.

use crate::locate::{Bounds, Key, Node, Value};
use crate::trouble::{Span, Trouble};
use serde::de::IgnoredAny;

/// Reads a document: serde_json says whether it is JSON, and a walk over what is known to be JSON finds the places.
pub(crate) fn read(text: &str) -> Result<Node, Trouble> {
    if text.trim().is_empty() {
        return Ok(Node { span: 0..0, value: Value::Nothing });
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax(text, &error))?;
    Walk { text, at: 0, bounds: Bounds::default() }.node(1)
}

fn syntax(text: &str, error: &serde_json::Error) -> Trouble {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let start = before + error.column().saturating_sub(1);
    let label = error.to_string();
    let label = label.rsplit_once(" at line ").map_or(label.as_str(), |(what, _)| what);
    Trouble::new("this is not JSON").here(&(start..start + 1)).label(label)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    bounds: Bounds,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space and what stands between values.
    fn skip(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n,:".contains(&byte)) {
            self.at += 1;
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Trouble> {
        self.skip();
        let start = self.at;
        self.bounds.take(1, depth, &(start..start + 1))?;
        match self.peek() {
            Some(b'{') => self.table(start, depth),
            Some(b'[') => self.list(start, depth),
            Some(b'"') => {
                let (text, span) = self.string()?;
                Ok(Node { span, value: Value::Text(text) })
            }
            _ => self.word(start),
        }
    }

    fn table(&mut self, start: usize, depth: usize) -> Result<Node, Trouble> {
        let mut entries = Vec::new();
        self.at += 1;
        while self.more(b'}') {
            let (text, span) = self.string()?;
            entries.push((Key { span, text }, self.node(depth + 1)?));
        }
        Ok(Node { span: start..self.at, value: Value::Table(entries) })
    }

    fn list(&mut self, start: usize, depth: usize) -> Result<Node, Trouble> {
        let mut list = Vec::new();
        self.at += 1;
        while self.more(b']') {
            list.push(self.node(depth + 1)?);
        }
        Ok(Node { span: start..self.at, value: Value::List(list) })
    }

    /// Whether another value comes before the end, which is passed.
    fn more(&mut self, end: u8) -> bool {
        self.skip();
        let ended = self.peek() == Some(end);
        self.at += usize::from(ended);
        !ended && self.peek().is_some()
    }

    fn string(&mut self) -> Result<(String, Span), Trouble> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while self.peek().is_some_and(|byte| byte != b'"') {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(bytes.len());
        let span = start..self.at;
        let literal = self.text.get(span.clone()).unwrap_or_default();
        let text = serde_json::from_str(literal)
            .map_err(|_| Trouble::new("this is not text").here(&span).label("it has a half of a surrogate pair"))?;
        Ok((text, span))
    }

    fn word(&mut self, start: usize) -> Result<Node, Trouble> {
        while self.peek().is_some_and(|byte| !b" \t\r\n,:]}".contains(&byte)) {
            self.at += 1;
        }
        let span = start..self.at;
        let value = match self.text.get(span.clone()).unwrap_or_default() {
            "null" => Some(Value::Nothing),
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            text => Value::number(text),
        };
        let beyond = || Trouble::new("this number is too large").here(&span);
        Ok(Node { value: value.ok_or_else(beyond)?, span })
    }
}
