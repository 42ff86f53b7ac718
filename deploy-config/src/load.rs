//! From a file or a text to a spec.

use crate::locate::{Node, Value};
use crate::report::Document;
use crate::trouble::{Span, Trouble};
use crate::{Format, LARGEST_FILE, pin, strategies, words};
use deploy_core::{Error, Kind, Release, Result, Spec, Strategies};
use deploy_strategies::Registry;
use serde::Deserialize as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Reads a spec from a file, checks it, and holds local sources to their digests.
///
/// The format is told by the extension. Paths of `artifact` and `directory` are taken relative to the file's directory and
/// made absolute; their `sha256` and `size` are filled in, and checked where the spec gives them. The settings of each
/// strategy are looked at by that strategy; who has strategies of their own uses [`load_with`].
///
/// # Errors
/// `Invalid` for a spec that is wrong, with `file`, `line`, `column` and `at` in its context; `NotFound`, `Denied` or
/// `Unavailable` where the file cannot be read.
pub fn load(path: impl AsRef<Path>) -> Result<Spec> {
    load_with(path, &Registry::default())
}

/// Reads a spec as [`load`] does, with strategies of one's own.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: impl AsRef<Path>, known: &dyn Strategies) -> Result<Spec> {
    let path = path.as_ref();
    let format = Format::of(path)?;
    let name = path.display().to_string();
    let text = text_of(path)?;
    let document = Document { name: &name, text: plain(&text) };
    let (mut spec, root) = checked(document, format, known)?;
    let absolute = std::path::absolute(path).map_err(|error| unreadable(path, error))?;
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    pin::pin(&mut spec, directory).map_err(|error| placed(document, &root, &error))?;
    Ok(spec)
}

/// Makes a release of the spec in a file.
///
/// # Errors
/// As [`load`].
pub fn release(path: impl AsRef<Path>) -> Result<Release> {
    Release::new(load(path)?)
}

/// Makes a release of the spec in a file, with strategies of one's own.
///
/// # Errors
/// As [`load_with`].
pub fn release_with(path: impl AsRef<Path>, known: &dyn Strategies) -> Result<Release> {
    Release::new(load_with(path, known)?)
}

/// Reads a spec from text and checks it. Touches no file: local sources keep their paths and are not held to a digest.
/// `name` is what errors call the text.
///
/// # Errors
/// `Invalid` for a spec that is wrong, with `file`, `line`, `column` and `at` in its context.
pub fn parse(text: &str, format: Format, name: &str) -> Result<Spec> {
    parse_with(text, format, name, &Registry::default())
}

/// Reads a spec as [`parse`] does, with strategies of one's own.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(text: &str, format: Format, name: &str, known: &dyn Strategies) -> Result<Spec> {
    checked(Document { name, text: plain(text) }, format, known).map(|(spec, _)| spec)
}

fn checked(document: Document<'_>, format: Format, known: &dyn Strategies) -> Result<(Spec, Node)> {
    if document.text.len() > LARGEST_FILE {
        return Err(too_large(document.name));
    }
    let root = format.read(document.text).map_err(|trouble| document.error(&trouble))?;
    let spec = spec_of(&root).map_err(|trouble| document.error(&shown(document, &root, finer(&root, trouble))))?;
    spec.validate().and_then(|()| strategies::check(&spec, known)).map_err(|error| placed(document, &root, &error))?;
    Ok((spec, root))
}

fn spec_of(root: &Node) -> Result<Spec, Trouble> {
    if root.value == Value::Nothing {
        return Err(Trouble::new("this is empty: a spec has at least `application` and `workloads`"));
    }
    Spec::deserialize(root)
}

/// The keys of a local source, to find the one at fault: serde only says that neither of the two forms fits.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    #[serde(rename = "path")]
    _path: String,
    #[serde(rename = "sha256", default)]
    _sha256: Option<String>,
    #[serde(rename = "size", default)]
    _size: Option<u64>,
}

/// Says which key of a local source is at fault.
fn finer(root: &Node, trouble: Trouble) -> Trouble {
    let at = trouble.at();
    let node = root.find(&at).filter(|node| matches!(node.value, Value::Table(_)));
    let found = node.filter(|_| trouble.message == words::FILE).and_then(|node| Held::deserialize(node).err());
    match found {
        Some(finer) => finer.under(at),
        None => trouble,
    }
}

/// Puts the mark on a key where the value has several lines.
fn shown(document: Document<'_>, root: &Node, trouble: Trouble) -> Trouble {
    let one_line = |span: &Span| {
        document
            .text
            .get(span.clone())
            .is_some_and(|text| !text.trim_end().is_empty() && !text.trim_end().contains('\n'))
    };
    match &trouble.span {
        Some(span) if one_line(span) => trouble,
        _ => {
            let place = root.place(document.text, &trouble.at());
            trouble.moved(place)
        }
    }
}

/// Finds the place of an error that knows the key's path.
fn placed(document: Document<'_>, root: &Node, error: &Error) -> Error {
    let at = error.context("at").unwrap_or_default();
    let trouble = words::told(error.message()).here(&spot(document.text, root, at, error.message()));
    document.error(&if at.is_empty() { trouble } else { trouble.under(at) })
}

/// The place at a key's path; where the message names first the key itself, or an item or a key in what is there, that.
fn spot(text: &str, root: &Node, at: &str, message: &str) -> Span {
    let named = message.split('`').nth(1).unwrap_or_default();
    let parent = at.strip_suffix(named).and_then(|parent| parent.strip_suffix('.'));
    let in_parent = parent.and_then(|parent| root.find(parent)).and_then(|parent| parent.key(named));
    let within = || root.find(at).and_then(|node| node.item(named).or_else(|| node.key(named)));
    in_parent.or_else(within).cloned().unwrap_or_else(|| root.place(text, at))
}

/// The text without a byte order mark.
fn plain(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn text_of(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if bytes.len() > LARGEST_FILE {
        return Err(too_large(&path.display().to_string()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        let message = format!("{}:{line}: this line is not UTF-8; save the file as UTF-8", path.display());
        Error::invalid(message).with("file", path.display()).with("line", line)
    })
}

fn too_large(name: &str) -> Error {
    Error::invalid(format!("{name}: a spec has at most {LARGEST_FILE} bytes; this is more")).with("file", name)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::PermissionDenied => Kind::Denied,
        _ => Kind::Unavailable,
    };
    let message = format!("{}: the spec cannot be read: {error}", path.display());
    Error::new(kind, message).with("file", path.display()).from_source(error)
}
