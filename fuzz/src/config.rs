//! Specs from text: an answer, a place inside the text, and what is accepted is read back the same.

use deploy_config::{Format, parse};
use deploy_core::{Error, Kind};

const FORMATS: [Format; 3] = [Format::Yaml, Format::Toml, Format::Json];

/// Reads a text as each format.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for format in FORMATS {
        match parse(text, format, "input") {
            Ok(spec) => {
                let json = serde_json::to_string(&spec).expect("a spec can be written");
                let again = parse(&json, Format::Json, "again").unwrap_or_else(|error| panic!("{error}\n{json}"));
                assert_eq!(again, spec, "read back from {json}");
            }
            Err(error) => is_placed(text, &error),
        }
    }
}

fn is_placed(text: &str, error: &Error) {
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    if text.len() > deploy_config::LARGEST_FILE {
        return;
    }
    let number = |key| error.context(key).and_then(|word| word.parse::<usize>().ok()).expect("a place");
    let (line, column) = (number("line"), number("column"));
    let lines: Vec<&str> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&line), "line {line} of {}", lines.len());
    let most = lines[line - 1].chars().count() + 1;
    assert!((1..=most).contains(&column), "column {column} of {most} in line {line}: {error}");
}
