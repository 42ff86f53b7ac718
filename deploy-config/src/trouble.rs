//! What is wrong with a document, before it is shown.

use std::ops::Range;

/// A place in a document, in bytes.
pub(crate) type Span = Range<usize>;

/// What is wrong, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trouble(Box<Told>);

/// All that is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// The place; none where it is not known yet.
    pub(crate) span: Option<Span>,
    /// The keys on the way to it, the innermost first.
    pub(crate) path: Vec<String>,
    /// What is said at the place.
    pub(crate) label: String,
    /// Another place and what is said there.
    pub(crate) also: Option<(Span, String)>,
    /// What is allowed and what to do, a line each.
    pub(crate) help: Vec<String>,
}

impl std::ops::Deref for Trouble {
    type Target = Told;
    fn deref(&self) -> &Told {
        &self.0
    }
}

impl Trouble {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Told { message: message.into(), ..Told::default() }))
    }

    /// Sets the place, unless a more exact one is known.
    pub(crate) fn here(mut self, span: &Span) -> Self {
        self.0.span.get_or_insert_with(|| span.clone());
        self
    }

    /// Sets the place, whatever was known.
    pub(crate) fn moved(mut self, span: Span) -> Self {
        self.0.span = Some(span);
        self
    }

    /// Adds the key that it is under.
    pub(crate) fn under(mut self, key: impl Into<String>) -> Self {
        self.0.path.push(key.into());
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub(crate) fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.0.also = Some((span.clone(), label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help.push(help.into());
        self
    }

    /// The key's path, outermost first.
    pub(crate) fn at(&self) -> String {
        self.path.iter().rev().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}
