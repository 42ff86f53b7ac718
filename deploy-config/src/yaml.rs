//! YAML to values with their places, from the events of serde-saphyr's parser.

use crate::locate::{Bounds, Key, Node, Table, Value};
use crate::trouble::{Span, Trouble};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError};
use std::collections::HashMap;

/// Reads a document.
pub(crate) fn read(text: &str) -> Result<Node, Trouble> {
    let mut reader = Reader::default();
    let options = granit_parser::options! { emit_comments: false };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax(text, &error))?;
        let span = span.byte_range().unwrap_or(0..0);
        reader.take(event, span)?;
    }
    Ok(reader.root.unwrap_or(Node { span: 0..0, value: Value::Nothing }))
}

fn syntax(text: &str, error: &ScanError) -> Trouble {
    let start = error.marker().byte_offset().unwrap_or(text.len());
    let line = text.get(..start).and_then(|before| before.lines().last()).unwrap_or_default();
    let trouble = Trouble::new("this is not YAML").here(&(start..start + 1)).label(error.info());
    if line.trim_start_matches(' ').starts_with('\t') || text.get(start..).is_some_and(|rest| rest.starts_with('\t')) {
        return trouble.help("YAML is indented with spaces, never with tabs");
    }
    trouble
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    bounds: Bounds,
    documents: usize,
    root: Option<Node>,
}

/// A list or a table that is not at its end yet.
struct Open {
    start: usize,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Table(Table, Option<Key>),
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Trouble> {
        match event {
            Event::DocumentStart(..) => self.document(&span),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => {
                Err(Trouble::new("tags (`!name`) have no meaning here").here(&span).label("remove the tag before this"))
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" && self.wants_key() => {
                Err(Trouble::new("merge keys (`<<`) are not part of YAML 1.2")
                    .here(&span)
                    .label("write the keys out, or use an alias for a whole value"))
            }
            Event::Scalar(text, style, anchor, None) => {
                let value = if style == ScalarStyle::Plain { plain(&text) } else { Value::Text(text.into_owned()) };
                self.value(Node { span, value }, anchor, 1)
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::SequenceStart(_, anchor, None) => self.open(anchor, span, Inside::List(Vec::new())),
            Event::MappingStart(_, anchor, None) => self.open(anchor, span, Inside::Table(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            _ => Ok(()),
        }
    }

    /// Whether the next value is a key.
    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Table(_, None), .. }))
    }

    fn document(&mut self, span: &Span) -> Result<(), Trouble> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(Trouble::new("a file is one document").here(span).label("a second one begins here"));
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Trouble> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Trouble::new("this alias stands for what it is in").here(&span).label("it would never end"));
        };
        let count = node.count();
        self.bounds.take(count, self.open.len() + node.depth(), &span)?;
        self.value(node, 0, 0)
    }

    fn open(&mut self, anchor: usize, span: Span, inside: Inside) -> Result<(), Trouble> {
        self.bounds.take(1, self.open.len() + 1, &span)?;
        if self.wants_key() {
            return Err(not_a_key(&span));
        }
        self.open.push(Open { start: span.start, anchor, inside });
        Ok(())
    }

    fn close(&mut self, end: &Span) -> Result<(), Trouble> {
        let Some(Open { start, anchor, inside }) = self.open.pop() else { return Ok(()) };
        let span = start..end.end.max(start);
        let node = match inside {
            Inside::List(list) => Node { span, value: Value::List(list) },
            Inside::Table(table, _) => Node { span, value: Value::Table(table) },
        };
        self.value(node, anchor, 0)
    }

    fn value(&mut self, node: Node, anchor: usize, count: usize) -> Result<(), Trouble> {
        self.bounds.take(count, self.open.len(), &node.span)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(list)) => list.push(node),
            Some(Inside::Table(table, key)) => match key.take() {
                Some(key) => table.push((key, node)),
                None => *key = Some(as_key(node)?),
            },
        }
        Ok(())
    }
}

fn as_key(node: Node) -> Result<Key, Trouble> {
    match node.value {
        Value::Text(text) => Ok(Key { span: node.span, text }),
        Value::Boolean(_) | Value::Positive(_) | Value::Negative(_) | Value::Real(_) | Value::Nothing => {
            Err(Trouble::new("a key has to be text").here(&node.span).label("put it in quotes"))
        }
        Value::List(_) | Value::Table(_) => Err(not_a_key(&node.span)),
    }
}

fn not_a_key(span: &Span) -> Trouble {
    Trouble::new("a list or a table cannot be a key").here(span).label("a key has to be text")
}

/// What is not in quotes: as in JSON, and everything else is text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Nothing,
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        text => Value::number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}
