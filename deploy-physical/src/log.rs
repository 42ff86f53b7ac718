//! The last lines of what a program said, without the values of its secrets.

use crate::host::Tail;
use crate::secrets::Redaction;

/// How much is read from the end of a log: 1 MiB.
pub(crate) const READ_MOST: u64 = 1 << 20;

/// The last `most` lines, oldest first.
pub(crate) fn last_lines(tail: &Tail, redaction: &Redaction, most: usize) -> Vec<String> {
    let text = redaction.apply(&String::from_utf8_lossy(whole(tail, redaction)));
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(most)..].to_vec()
}

/// What is left when a line, or a secret, that was cut at the start is left out.
fn whole<'a>(tail: &'a Tail, redaction: &Redaction) -> &'a [u8] {
    let bytes = &tail.bytes;
    if !tail.cut {
        return bytes;
    }
    let line = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    &bytes[line.unwrap_or(redaction.longest()).min(bytes.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn redaction() -> Redaction {
        Redaction::of(&[("A".to_owned(), SecretString::from("secret"))].into())
    }

    fn tail(bytes: &str, cut: bool) -> Tail {
        Tail { bytes: bytes.into(), cut }
    }

    #[test]
    fn the_last_lines_come_oldest_first_without_the_secret() {
        assert_eq!(last_lines(&tail("a\nb secret\nc\n", false), &redaction(), 2), ["b ***", "c"]);
    }

    #[test]
    fn a_secret_cut_in_two_at_the_start_is_not_shown() {
        assert_eq!(last_lines(&tail("cret\nb\n", true), &redaction(), 9), ["b"]);
        assert_eq!(last_lines(&tail("cret and on without end", true), &redaction(), 9), ["nd on without end"]);
    }
}
