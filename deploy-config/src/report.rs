//! Shows what is wrong: the place, the lines, a mark under it, and what is allowed.

use crate::trouble::{Span, Trouble};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use deploy_core::Error;

/// A document as it is shown: its name and its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Document<'_> {
    /// Makes the error that people see.
    pub(crate) fn error(self, trouble: &Trouble) -> Error {
        let span = self.within(trouble.span.as_ref().unwrap_or(&(0..0)));
        let (line, column) = self.position(span.start);
        let message = self.render(trouble, span);
        let error = Error::invalid(message).with("file", self.name).with("line", line).with("column", column);
        let at = trouble.at();
        if at.is_empty() { error } else { error.with("at", at) }
    }

    fn render(self, trouble: &Trouble, span: Span) -> String {
        let mark = AnnotationKind::Primary.span(span);
        let mark = if trouble.label.is_empty() { mark } else { mark.label(trouble.label.as_str()) };
        let mut snippet = Snippet::source(self.text).path(self.name).annotation(mark);
        if let Some((span, label)) = &trouble.also {
            snippet = snippet.annotation(AnnotationKind::Context.span(self.within(span)).label(label.as_str()));
        }
        let title = Level::ERROR.no_name().primary_title(trouble.message.as_str());
        let helps = trouble.help.iter().map(|help| Level::HELP.no_name().message(help.as_str()));
        let group: Group<'_> = title.element(snippet).elements(helps);
        Renderer::plain().term_width(120).render(&[group])
    }

    /// Line and column of a place, counted from 1, the column in characters.
    fn position(self, start: usize) -> (usize, usize) {
        let before = &self.text[..start];
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
    }

    /// The place cut to the first of its lines and to whole characters.
    fn within(self, span: &Span) -> Span {
        let boundary = |at: usize| (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        let start = boundary(span.start).unwrap_or(0);
        let end = boundary(span.end).unwrap_or(0).max(start);
        let line = self.text[start..end].lines().next().unwrap_or_default().trim_end();
        start..start + line.len()
    }
}
