//! The specs that README and guides show are specs.

use deploy::config::{Format, parse};
use std::path::Path;

/// Every block of YAML in a page.
fn specs(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("```yaml\n").skip(1);
    blocks.filter_map(|rest| rest.split_once("```")).map(|(block, _)| block.to_owned()).collect()
}

#[test]
fn the_specs_in_the_papers_can_be_read() {
    for (page, many) in [("README.md", 1), ("docs/guides/spec.md", 2)] {
        let specs = specs(page);
        assert_eq!(specs.len(), many, "{page}");
        for spec in specs {
            if let Err(error) = parse(&spec, Format::Yaml, page) {
                panic!("{error}");
            }
        }
    }
}
