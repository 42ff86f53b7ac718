//! TOML to values with their places.

use crate::locate::{Bounds, Key, Node, Value};
use crate::trouble::{Span, Trouble};
use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

/// Reads a document.
pub(crate) fn read(text: &str) -> Result<Node, Trouble> {
    let table = DeTable::parse(text).map_err(|error| syntax(&error))?;
    if table.get_ref().is_empty() {
        return Ok(Node { span: 0..0, value: Value::Nothing });
    }
    let span = table.span();
    table_of(table.get_ref(), span, &mut Bounds::default(), 1)
}

fn syntax(error: &::toml::de::Error) -> Trouble {
    let trouble = Trouble::new("this is not TOML").label(error.message());
    error.span().iter().fold(trouble, Trouble::here)
}

fn table_of(table: &DeTable<'_>, span: Span, bounds: &mut Bounds, depth: usize) -> Result<Node, Trouble> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key = Key { span: key.span(), text: key.get_ref().to_string() };
        let node = node(value, bounds, depth + 1).map_err(|trouble| trouble.under(&key.text))?;
        entries.push((key, node));
    }
    entries.sort_by_key(|(key, _)| key.span.start);
    Ok(Node { span, value: Value::Table(entries) })
}

fn node(value: &Spanned<DeValue<'_>>, bounds: &mut Bounds, depth: usize) -> Result<Node, Trouble> {
    let span = value.span();
    bounds.take(1, depth, &span)?;
    let value = match value.get_ref() {
        DeValue::Table(table) => return table_of(table, span, bounds, depth),
        DeValue::Array(list) => {
            let items: Result<_, _> = list.iter().map(|item| node(item, bounds, depth + 1)).collect();
            Value::List(items?)
        }
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Integer(number) if number.radix() == 10 => number_of(number.as_str(), &span)?,
        DeValue::Float(number) => number_of(number.as_str(), &span)?,
        DeValue::Integer(_) => return Err(unfit("numbers are decimal here", &span)),
        DeValue::Datetime(_) => return Err(unfit("dates have no meaning here; put it in quotes", &span)),
    };
    Ok(Node { span, value })
}

fn number_of(text: &str, span: &Span) -> Result<Value, Trouble> {
    Value::number(text.trim_start_matches('+')).ok_or_else(|| unfit("this is no number that can be used here", span))
}

fn unfit(what: &str, span: &Span) -> Trouble {
    Trouble::new(what).here(span)
}
