//! The lines of the proxy's control socket.

use crate::protocol::{answered, ask, asked};
use deploy_core::RouteState;

/// Reads a line as a question and as an answer; what was understood is written and read the same.
pub(crate) fn run(bytes: &[u8]) {
    let _ = answered::<RouteState>(bytes);
    let _ = answered::<Vec<String>>(bytes);
    let Ok(question) = asked(bytes) else { return };
    let line = ask(&question).expect("a question can be written");
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    let again = asked(&line).unwrap_or_else(|error| panic!("{error}: {question:?}"));
    assert_eq!(format!("{again:?}"), format!("{question:?}"));
}
