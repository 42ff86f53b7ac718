//! The lines of the control socket.

use deploy_core::{Error, Kind, Result, Routes, Side, Timestamp, Token, TrackRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol.
pub(crate) const VERSION: u32 = 1;

/// The longest line, in bytes.
pub(crate) const LONGEST: u64 = 16 * 1024 * 1024;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Ask {
    Hello,
    CanListen { track: TrackRef, ports: Vec<u16> },
    Apply { routes: Routes },
    Observe { track: TrackRef },
    Fence { track: TrackRef, token: Token },
    Remove { track: TrackRef, token: Token },
    Figures { track: TrackRef, side: Side, since: Timestamp },
    Addresses { track: TrackRef },
    Takeover,
    Taken,
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    v: u32,
    ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    kind: Kind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    track: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replaced: bool,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    pub(crate) pid: u32,
}

/// A request as a line.
pub(crate) fn ask(ask: &Ask) -> Result<Vec<u8>> {
    line(&Asked { v: VERSION, ask: ask.clone() })
}

/// A request from a line.
pub(crate) fn asked(line: &[u8]) -> Result<Ask> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let wrong = |error| Error::invalid(format!("the proxy does not understand this request: {error}"));
    let Versioned { v } = serde_json::from_slice(line).map_err(wrong)?;
    if v != VERSION {
        return Err(Error::new(
            Kind::Unsupported,
            format!("the proxy speaks version {VERSION} of its protocol, not {v}"),
        ));
    }
    serde_json::from_slice::<Asked>(line).map(|asked| asked.ask).map_err(wrong)
}

/// An answer as a line.
pub(crate) fn answer<T: Serialize>(answer: Result<T>) -> Vec<u8> {
    let value = answer.and_then(|answer| {
        serde_json::to_value(answer)
            .map_err(|error| Error::new(Kind::Unclassified, "the answer cannot be written as JSON").from_source(error))
    });
    let answered = match value {
        Ok(value) => Answered { v: VERSION, ok: Some(value), error: None },
        Err(error) => Answered { v: VERSION, ok: None, error: Some(Failure::of(&error)) },
    };
    line(&answered).unwrap_or_default()
}

/// An answer from a line. The answer to something that has none is `null`.
pub(crate) fn answered<T: DeserializeOwned>(line: &[u8]) -> Result<T> {
    let unreadable = |error| Error::new(Kind::Corrupt, format!("the answer of the proxy cannot be read: {error}"));
    let answered: Answered = serde_json::from_slice(line).map_err(unreadable)?;
    match answered.error {
        Some(failure) => Err(failure.into()),
        None => serde_json::from_value(answered.ok.unwrap_or(Value::Null)).map_err(unreadable),
    }
}

/// Whether the proxy that gave this error is being replaced, so that its successor is to be asked.
pub(crate) fn is_replaced(error: &Error) -> bool {
    error.context("replaced").is_some()
}

fn line<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| Error::new(Kind::Unclassified, "a request cannot be written as JSON").from_source(error))?;
    line.push(b'\n');
    Ok(line)
}

impl Failure {
    fn of(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.message().to_owned(),
            track: error.context("track").map(str::to_owned),
            replaced: is_replaced(error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut error = Self::new(failure.kind, failure.message);
        if let Some(track) = failure.track {
            error = error.with("track", track);
        }
        if failure.replaced {
            error = error.with("replaced", true);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_of_json() {
        let line = ask(&Ask::Observe { track: "shop/production/web@here".parse().unwrap() }).unwrap();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"v\":1,\"ask\":{\"do\":\"observe\",\"track\":\"shop/production/web@here\"}}\n"
        );
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let error = asked(br#"{"v":2,"ask":{"do":"new"}}"#).unwrap_err();
        assert_eq!(error.to_string(), "the proxy speaks version 1 of its protocol, not 2");
        assert_eq!(asked(b"{}").unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn an_error_comes_back_as_it_was() {
        let error = Error::new(Kind::Fenced, "too old").with("track", "a").with("replaced", true);
        let back = answered::<()>(&answer::<()>(Err(error))).unwrap_err();
        assert_eq!((back.kind(), back.message(), back.context("track")), (Kind::Fenced, "too old", Some("a")));
        assert!(is_replaced(&back));
        assert_eq!(answered::<Option<u8>>(&answer(Ok(Some(3)))).unwrap(), Some(3));
        answered::<()>(&answer(Ok(()))).unwrap();
    }
}
