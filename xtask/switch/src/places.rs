//! Where the parts of expressions are that a mutant puts together anew.

use std::collections::BTreeMap;
use std::ops::Range;
use syn::visit::{self, Visit};

type Bytes = Range<usize>;

/// The parts, each by the byte where cargo-mutants says that its mutant begins.
#[derive(Debug, Default)]
pub struct Places {
    /// By its operator: the left side and the right one.
    pub binary: BTreeMap<usize, (Bytes, Bytes)>,
    /// By its operator: the operand.
    pub unary: BTreeMap<usize, Bytes>,
    /// By the arm: where the pattern ends, and the guard.
    pub arms: BTreeMap<usize, (usize, Option<Bytes>)>,
    /// By the field: the field.
    pub fields: BTreeMap<usize, Field>,
}

/// A field of an expression that takes the others from a base.
#[derive(Debug)]
pub struct Field {
    pub whole: Bytes,
    pub name: String,
    pub value: Bytes,
    /// The type.
    pub of: String,
    pub base: Bytes,
}

pub fn of(text: &str) -> syn::Result<Places> {
    let mut places = Places::default();
    places.visit_file(&syn::parse_file(text)?);
    Ok(places)
}

fn bytes(part: &impl syn::spanned::Spanned) -> Bytes {
    part.span().byte_range()
}

/// Whether it binds names for what follows, so that it cannot stand in a branch.
fn binds(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Places {
    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !binds(&binary.left) && !binds(&binary.right) {
            self.binary.insert(bytes(&binary.op).start, (bytes(&binary.left), bytes(&binary.right)));
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        self.unary.insert(bytes(&unary.op).start, bytes(&unary.expr));
        visit::visit_expr_unary(self, unary);
    }

    /// Only where another arm takes what one does not: else the match would not be whole without it.
    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        let takes_all =
            |arm: &syn::Arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_) | syn::Pat::Ident(_));
        for arm in choice.arms.iter().filter(|_| choice.arms.iter().any(takes_all)) {
            let guard = arm.guard.as_ref().map(|(_, guard)| guard);
            if !guard.is_some_and(|guard| binds(guard)) {
                self.arms.insert(bytes(&arm.pat).start, (bytes(&arm.pat).end, guard.map(|guard| bytes(guard))));
            }
        }
        visit::visit_expr_match(self, choice);
    }

    fn visit_expr_struct(&mut self, made: &'ast syn::ExprStruct) {
        for field in made.fields.iter().filter(|_| made.rest.is_some()) {
            let syn::Member::Named(name) = &field.member else { continue };
            let base = made.rest.as_ref().map(|base| bytes(base)).unwrap_or_default();
            let of = made.path.segments.iter().map(|part| part.ident.to_string()).collect::<Vec<_>>().join("::");
            let place = Field { whole: bytes(field), name: name.to_string(), value: bytes(&field.expr), of, base };
            self.fields.insert(place.whole.start, place);
        }
        visit::visit_expr_struct(self, made);
    }
}
