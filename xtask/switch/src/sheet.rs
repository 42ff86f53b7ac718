//! A source with its mutants written into it.
//!
//! A mutant never takes text away: it puts some before and some behind a part of the source, so that mutants in one
//! another's parts do not meet.

use crate::list::{Genre, Mutant};
use crate::places::Places;
use std::cmp::Reverse;
use std::ops::Range;

/// A source with its mutants.
#[derive(Debug)]
pub struct Sheet {
    text: String,
    switch: &'static str,
    wraps: Vec<Wrap>,
}

/// What stands before and behind a part of the source.
#[derive(Debug)]
struct Wrap {
    number: usize,
    part: Range<usize>,
    /// Of those around one part, the lower is outside.
    rank: usize,
    before: String,
    behind: String,
}

impl Sheet {
    pub fn new(text: &str, switch: &'static str) -> Self {
        Self { text: text.to_owned(), switch, wraps: Vec::new() }
    }

    /// Writes a mutant into it. False: it has no place here.
    pub fn add(&mut self, number: usize, mutant: &Mutant, places: &Places) -> bool {
        let Some((start, end)) = mutant.span.bytes(&self.text) else { return false };
        let made = match mutant.genre {
            Genre::FnValue => Some(self.value(number, start..end, mutant)),
            Genre::BinaryOperator => self.binary(number, start, mutant, places),
            Genre::UnaryOperator => self.unary(number, start, places),
            Genre::MatchArm => self.arm(number, start, places),
            Genre::MatchArmGuard => Some(self.guard(number, start..end, mutant)),
            Genre::StructField => self.field(number, start, places),
        };
        let added = made.is_some();
        self.wraps.extend(made);
        added
    }

    fn is(&self, number: usize) -> String {
        format!("{}::mutant({number})", self.switch)
    }

    fn wrap(number: usize, part: Range<usize>, rank: usize, before: String, behind: &str) -> Wrap {
        Wrap { number, part, rank, before, behind: behind.to_owned() }
    }

    fn value(&self, number: usize, part: Range<usize>, mutant: &Mutant) -> Wrap {
        let (is, value, switch) = (self.is(number), &mutant.replacement, self.switch);
        if mutant.gives_an_iterator() {
            let before =
                format!("if {is} {{ return {switch}::Either::Left(Box::new({value})); }} {switch}::Either::Right({{ ");
            return Self::wrap(number, part, 0, before, " })");
        }
        let value = if value == "()" { "" } else { value };
        Self::wrap(number, part, 0, format!("if {is} {{ return {value}; }} "), "")
    }

    fn binary(&self, number: usize, start: usize, mutant: &Mutant, places: &Places) -> Option<Wrap> {
        let (left, right) = places.binary.get(&start)?.clone();
        let instead = format!("{} {} {}", &self.text[left.clone()], mutant.replacement, &self.text[right.clone()]);
        Some(self.branch(number, left.start..right.end, &instead))
    }

    fn unary(&self, number: usize, start: usize, places: &Places) -> Option<Wrap> {
        let operand = places.unary.get(&start)?.clone();
        Some(self.branch(number, start..operand.end, &self.text[operand]))
    }

    fn branch(&self, number: usize, part: Range<usize>, instead: &str) -> Wrap {
        Self::wrap(number, part, 2, format!("(if {} {{ {instead} }} else {{ ", self.is(number)), " })")
    }

    fn arm(&self, number: usize, start: usize, places: &Places) -> Option<Wrap> {
        let (pattern, guard) = places.arms.get(&start)?.clone();
        let is = self.is(number);
        Some(match guard {
            Some(guard) => Self::wrap(number, guard, 1, format!("!{is} && ("), ")"),
            None => Self::wrap(number, pattern..pattern, 1, format!(" if !{is}"), ""),
        })
    }

    fn guard(&self, number: usize, part: Range<usize>, mutant: &Mutant) -> Wrap {
        let is = self.is(number);
        let before = if mutant.replacement == "true" { format!("({is} || (") } else { format!("(!{is} && (") };
        Self::wrap(number, part, 1, before, "))")
    }

    fn field(&self, number: usize, start: usize, places: &Places) -> Option<Wrap> {
        let field = places.fields.get(&start)?;
        let name = if field.whole == field.value { format!("{}: ", field.name) } else { String::new() };
        let (is, of, base) = (self.is(number), &field.of, &self.text[field.base.clone()]);
        let before = format!("{name}if {is} {{ let base: {of} = {base}; base.{} }} else {{ ", field.name);
        Some(Self::wrap(number, field.value.clone(), 1, before, " }"))
    }

    /// The source with all of them.
    pub fn render(&self) -> String {
        self.pieces().into_iter().map(|(piece, _)| piece).collect()
    }

    /// Whose text stands at some bytes of what was rendered, or else who stands closest around them.
    pub fn at(&self, bytes: &Range<usize>) -> Option<usize> {
        let (mut place, mut around) = (0, Vec::new());
        for (piece, whose) in self.pieces() {
            let here = place..place + piece.len();
            place = here.end;
            if let Some((at, opens)) = whose {
                if here.start < bytes.end && bytes.start < here.end {
                    return Some(self.wraps[at].number);
                }
                if opens && here.end <= bytes.start {
                    around.push(at);
                } else if !opens && here.end <= bytes.start {
                    around.retain(|open| *open != at);
                }
            }
        }
        around.last().map(|at| self.wraps[*at].number)
    }

    /// What is rendered, piece by piece: of no mutant, or of one's wrap, and whether that opens.
    fn pieces(&self) -> Vec<(&str, Option<(usize, bool)>)> {
        let mut marks = Vec::new();
        for (at, wrap) in self.wraps.iter().enumerate() {
            let (Range { start, end }, rank) = (wrap.part.clone(), wrap.rank);
            marks.push(((start, 1, Reverse(end), rank, at), at, true));
            marks.push((
                (end, i32::from(start == end) * 2, Reverse(start), usize::MAX - rank, usize::MAX - at),
                at,
                false,
            ));
        }
        marks.sort_by_key(|(key, ..)| *key);
        let (mut pieces, mut read) = (Vec::new(), 0);
        for ((place, ..), at, opens) in marks {
            pieces.push((&self.text[read..place], None));
            read = place;
            let wrap = &self.wraps[at];
            pieces.push((if opens { &*wrap.before } else { &*wrap.behind }, Some((at, opens))));
        }
        pieces.push((&self.text[read..], None));
        pieces
    }
}
