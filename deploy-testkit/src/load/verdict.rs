//! Judges one answer.

use http::{HeaderName, Response};

/// A complete response: its status and the version it bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: Option<String>,
}

/// What an answer counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    OwnError,
    Lost,
}

impl Answer {
    pub(super) fn of<B>(response: &Response<B>, version_header: &HeaderName) -> Self {
        let version = response.headers().get(version_header);
        Self {
            status: response.status().as_u16(),
            version: version.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match (self.status, &self.version) {
            (500..=599, Some(_)) => Verdict::OwnError,
            (500..=599, None) => Verdict::Lost,
            _ => Verdict::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, version: Option<&str>) -> Verdict {
        Answer { status, version: version.map(Into::into) }.verdict()
    }

    #[test]
    fn only_a_5xx_without_the_version_is_lost() {
        assert_eq!(verdict(200, None), Verdict::Ok);
        assert_eq!(verdict(404, Some("v1")), Verdict::Ok);
        assert_eq!(verdict(500, Some("v1")), Verdict::OwnError);
        assert_eq!(verdict(502, None), Verdict::Lost);
        assert_eq!(verdict(599, None), Verdict::Lost);
    }
}
