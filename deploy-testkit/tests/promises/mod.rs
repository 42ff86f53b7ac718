//! Every sentence of a contract is checked by a step, told in `left_out`, or said in the guide to be what no suite sees.
//!
//! The tables beside this file have a line for each sentence of a trait: the method, or `contract`, and its words. Under
//! it stands what becomes of it: `- ` a step, or what is left out; `~ ` words of the guide; `! ` why it promises nothing.

use deploy_testkit::conformance::Passed;
use std::collections::BTreeSet;

const GUIDE: &str = include_str!("../../../docs/guides/conformance.md");

/// A trait of core: its name, its source, and the table of its promises.
pub struct Trait {
    pub name: &'static str,
    pub source: &'static str,
    pub table: &'static str,
}

macro_rules! promises {
    ($name:literal, $source:literal, $table:literal) => {
        crate::promises::Trait {
            name: $name,
            source: include_str!(concat!("../../deploy-core/src/", $source)),
            table: include_str!(concat!("promises/", $table)),
        }
    };
}
pub(crate) use promises;

impl Trait {
    /// What is neither checked nor told, one line each.
    pub fn silent(&self, passed: &Passed) -> Vec<String> {
        let promised = sentences(self.name, self.source);
        let known: BTreeSet<_> = rows(self.table).map(|(sentence, _)| sentence.to_owned()).collect();
        let steps: BTreeSet<&str> = passed.checked.iter().map(|checked| checked.step.as_str()).collect();
        let left_out = passed.left_out.iter().map(|left| left.step.as_str());
        let told: BTreeSet<&str> = steps.into_iter().chain(left_out).collect();
        let guide = GUIDE.split_whitespace().collect::<Vec<_>>().join(" ");

        let news = promised.iter().filter(|sentence| !known.contains(*sentence));
        let news = news.map(|sentence| format!("{}: this promise is in no row of its table: {sentence}", self.name));
        let gone = known.iter().filter(|sentence| !promised.contains(*sentence));
        let gone = gone.map(|sentence| format!("{}: this row is no promise any more: {sentence}", self.name));
        let unheld = rows(self.table).filter(|(_, ends)| {
            ends.is_empty()
                || !ends.iter().all(|end| match end.split_at(2) {
                    ("- ", step) => told.contains(step),
                    ("~ ", words) => guide.contains(words),
                    (mark, _) => mark == "! ",
                })
        });
        let unheld = unheld.map(|(sentence, ends)| {
            format!(
                "{}: no step, nothing left out and no word of the guide is so called: {sentence} {ends:?}",
                self.name
            )
        });
        news.chain(gone).chain(unheld).collect()
    }
}

/// The sentences of a table with what becomes of them.
fn rows(table: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let is_end = |line: &&str| ["- ", "~ ", "! "].iter().any(|mark| line.starts_with(mark));
    let lines: Vec<&str> = table.lines().collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|at| !is_end(&lines[*at])).collect();
    starts.into_iter().map(move |at| (lines[at], lines[at + 1..].iter().copied().take_while(is_end).collect()))
}

/// What a trait promises: the sentences of its contract, and of what its methods say.
fn sentences(name: &str, source: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = source.lines().collect();
    let begin = format!("pub trait {name}:");
    let at = lines.iter().position(|line| line.starts_with(&begin)).expect("the trait");
    let docs = lines[..at].iter().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let docs: Vec<&str> = docs.filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
    let docs: Vec<&str> = docs.into_iter().rev().skip_while(|line| *line != "# Contract").collect();
    let mut all: BTreeSet<_> = split("contract", &docs).collect();
    let mut docs = Vec::new();
    for line in lines[at + 1..].iter().take_while(|line| **line != "}").map(|line| line.trim()) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc.trim());
        } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
            all.extend(split(rest.split('(').next().unwrap_or_default(), &std::mem::take(&mut docs)));
        }
    }
    all
}

/// Whole sentences; errors one by one.
fn split<'a>(of: &'a str, docs: &[&str]) -> impl Iterator<Item = String> + use<'a> {
    let mut blocks: Vec<(bool, String)> = Vec::new();
    for doc in docs {
        let errors = blocks.last().is_some_and(|(errors, _)| *errors);
        match (doc.strip_prefix("# "), doc.strip_prefix("* ")) {
            (Some(head), _) => blocks.push((head == "Errors", String::new())),
            (_, Some(bullet)) => blocks.push((errors, bullet.to_owned())),
            _ if doc.is_empty() || blocks.is_empty() => blocks.push((errors, (*doc).to_owned())),
            _ => {
                let Some((_, block)) = blocks.last_mut() else { continue };
                *block = format!("{block} {doc}");
            }
        }
    }
    let parts = |(errors, block): (bool, String)| -> Vec<String> {
        let block = block.replace("e.g. ", "e.g.");
        let sentences =
            block.split_inclusive(". ").flat_map(|it| if errors { it.split("; ").collect() } else { vec![it] });
        sentences.map(|it| it.trim().trim_end_matches('.').to_owned()).filter(|it| !it.is_empty()).collect()
    };
    blocks.into_iter().flat_map(parts).map(move |part| format!("{of}: {part}"))
}

#[test]
fn what_a_contract_says_newly_is_missed() {
    let source = "/// # Contract\n/// One. Two\n/// goes on.\npub trait Sound: Debug {\n    /// Does.\n    ///\n    /// # Errors\n    /// `Busy` now; `Full`.\n    async fn act(&self);\n}\n";
    let expected = ["act: Does", "act: `Busy` now", "act: `Full`", "contract: One", "contract: Two goes on"];
    assert_eq!(sentences("Sound", source).into_iter().collect::<Vec<_>>(), expected);
    let passed = Passed { suite: "Sound", checked: Vec::new(), left_out: Vec::new() };
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let of = |table| Trait { name: "Sound", source: leak(source), table };
    let table = "act: Does\n! a word\nact: `Busy` now\n- no such step\nact: `Full`\ncontract: One\n~ no such words\nact: Gone\n! a word\n";
    let silent = of(table).silent(&passed);
    assert_eq!(silent.len(), 5, "one new, one gone, three that nothing holds: {silent:#?}");
}
