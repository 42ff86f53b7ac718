//! Judges one answer.

use super::schedule::Sort;
use http::{HeaderName, Response};

/// In which header the called service tells its version.
const CALLEE: &str = "x-callee-version";

/// In which headers an instance tells what it is.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    pub(super) version: HeaderName,
    pub(super) side: HeaderName,
}

/// A complete response: its status and what it says of who answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: Option<String>,
    pub(super) side: Option<String>,
    /// The version of the service that was called for it.
    pub(super) callee: Option<String>,
}

/// What an answer counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    OwnError,
    Lost,
}

impl Answer {
    pub(super) fn of<B>(response: &Response<B>, marks: &Marks) -> Self {
        let said = |name: &str| {
            response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            status: response.status().as_u16(),
            version: said(marks.version.as_str()),
            side: said(marks.side.as_str()),
            callee: said(CALLEE),
        }
    }

    pub(super) fn verdict(&self, sort: Sort) -> Verdict {
        match (self.status, &self.version) {
            (502 | 504, _) if sort == Sort::Call && self.callee.is_none() => Verdict::Lost,
            (500..=599, Some(_)) => Verdict::OwnError,
            (500..=599, None) => Verdict::Lost,
            _ => Verdict::Ok,
        }
    }

    /// Why it is a loss.
    pub(super) fn blame(&self) -> String {
        let what = if self.version.is_none() { "the version header" } else { "an answer of the called service" };
        format!("answered {} without {what}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, version: Option<&str>) -> Answer {
        Answer { status, version: version.map(Into::into), ..Answer::default() }
    }

    #[test]
    fn only_a_5xx_without_the_version_is_lost() {
        let verdict = |status, version| answer(status, version).verdict(Sort::Quick);
        assert_eq!(verdict(200, None), Verdict::Ok);
        assert_eq!(verdict(404, Some("v1")), Verdict::Ok);
        assert_eq!(verdict(500, Some("v1")), Verdict::OwnError);
        assert_eq!(verdict(502, None), Verdict::Lost);
        assert_eq!(verdict(599, None), Verdict::Lost);
    }

    #[test]
    fn a_call_that_the_called_service_did_not_answer_is_lost() {
        let verdict = |status, callee: Option<&str>| {
            Answer { callee: callee.map(Into::into), ..answer(status, Some("v1")) }.verdict(Sort::Call)
        };
        assert_eq!(verdict(200, Some("v2")), Verdict::Ok);
        assert_eq!(verdict(502, None), Verdict::Lost);
        assert_eq!(verdict(504, None), Verdict::Lost);
        assert_eq!(verdict(502, Some("v2")), Verdict::OwnError, "the called service's own");
        assert_eq!(verdict(500, None), Verdict::OwnError, "the caller's own");
    }
}
