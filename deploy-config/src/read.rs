//! Values with their places as a serde deserializer: an error knows the place it came from.

use crate::locate::{Key, Node, Value};
use crate::trouble::Trouble;
use crate::words;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt::Display;

impl Error for Trouble {
    fn custom<T: Display>(message: T) -> Self {
        words::custom(&message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        words::wrong_type(&found, &expected.to_string())
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        words::wrong_type(&found, &expected.to_string())
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        words::unknown("key", field, known).under(field)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        words::unknown("choice", variant, known)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing")).label(format!("`{field}` has to be given here")).under(field)
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Trouble;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Trouble> {
        match &self.value {
            Value::Nothing => visitor.visit_unit(),
            Value::Boolean(yes) => visitor.visit_bool(*yes),
            Value::Positive(number) => visitor.visit_u64(*number),
            Value::Negative(number) => visitor.visit_i64(*number),
            Value::Real(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => list(items, visitor),
            Value::Table(table) => visitor.visit_map(Entries { rest: table.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Trouble> {
        match self.value {
            Value::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Trouble> {
        visitor.visit_newtype_struct(self)
    }

    /// A table only: serde would take a list as well, by the order of fields.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Trouble> {
        match self.value {
            Value::List(_) => Err(Trouble::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Trouble> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(StrDeserializer::<Trouble>::new(text)).map_err(|trouble| {
                let needs = known.contains(&text.as_str()) && trouble.label.is_empty();
                if needs { words::needs_value(text) } else { trouble }
            }),
            Value::Table(table) => match table.as_slice() {
                [(key, node)] => visitor.visit_enum(Choice { key, node }),
                several => Err(words::not_one(several.iter().map(|(key, _)| key.text.as_str()), known)),
            },
            _ => Err(words::not_one([], known)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn list<'de, V: Visitor<'de>>(items: &'de [Node], visitor: V) -> Result<V::Value, Trouble> {
    let mut access = Items { all: items, next: 0 };
    let made = visitor.visit_seq(&mut access)?;
    match items.get(access.next) {
        None => Ok(made),
        Some(more) => Err(Trouble::new("this list has too many items")
            .label(format!("only {} are allowed", access.next))
            .here(&more.span)),
    }
}

struct Items<'de> {
    all: &'de [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Trouble;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Trouble> {
        let Some(node) = self.all.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let made = seed.deserialize(node);
        made.map(Some).map_err(|trouble| trouble.here(&node.span).under(index.to_string()))
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, (Key, Node)>,
    value: Option<&'de (Key, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Trouble;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Trouble> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(entry);
        let made = seed.deserialize(StrDeserializer::<Trouble>::new(&entry.0.text));
        made.map(Some).map_err(|trouble| {
            let trouble = if trouble.path.is_empty() { trouble.under(&entry.0.text) } else { trouble };
            trouble.here(&entry.0.span)
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Trouble> {
        let Some((key, node)) = self.value.take() else { return Err(Trouble::new("a value without a key")) };
        seed.deserialize(node).map_err(|trouble| trouble.here(&node.span).under(&key.text))
    }
}

/// The one key of a table that says which choice is taken.
struct Choice<'de> {
    key: &'de Key,
    node: &'de Node,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Trouble;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Trouble> {
        let key: StrDeserializer<'_, Trouble> = self.key.text.as_str().into_deserializer();
        let made = seed.deserialize(key).map_err(|trouble| trouble.here(&self.key.span).under(&self.key.text))?;
        Ok((made, self))
    }
}

impl Choice<'_> {
    fn place(&self, trouble: Trouble) -> Trouble {
        trouble.here(&self.node.span).under(&self.key.text)
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Trouble;

    fn unit_variant(self) -> Result<(), Trouble> {
        match self.node.value {
            Value::Nothing => Ok(()),
            _ => Err(self.place(Trouble::new("there is nothing to be set here"))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Trouble> {
        seed.deserialize(self.node).map_err(|trouble| self.place(trouble))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Trouble> {
        self.node.deserialize_any(visitor).map_err(|trouble| self.place(trouble))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Trouble> {
        self.node.deserialize_struct("", fields, visitor).map_err(|trouble| self.place(trouble))
    }
}
