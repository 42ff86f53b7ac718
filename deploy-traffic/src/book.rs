//! What the proxy was told, workload by workload; what is kept across restarts.

use deploy_core::{Error, Kind, Result, Routes, Token, TrackRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format.
const VERSION: u32 = 1;

/// All that was told, and the newest token of each workload, of those that were removed too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    version: u32,
    tracks: BTreeMap<TrackRef, Page>,
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// The newest token seen.
    pub(crate) token: Token,
    /// Makes the positions of sticky clients ones that nobody can guess.
    pub(crate) salt: String,
    /// The ports that are open, the chosen ones too.
    #[serde(default)]
    pub(crate) ports: Vec<u16>,
    /// What was told; none for a workload that was only fenced, or removed.
    #[serde(default)]
    pub(crate) routes: Option<Routes>,
}

impl Default for Book {
    fn default() -> Self {
        Self { version: VERSION, tracks: BTreeMap::new() }
    }
}

impl Book {
    /// Reads what was written.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let book: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if book.version == VERSION {
            return Ok(book);
        }
        Err(format!("it is of version {}, this program knows {VERSION}", book.version))
    }

    /// What is to be written.
    pub(crate) fn print(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| Error::new(Kind::Unclassified, "the routes cannot be written as JSON").from_source(error))
    }

    pub(crate) fn page(&self, track: &TrackRef) -> Option<&Page> {
        self.tracks.get(track)
    }

    /// Every workload that has routes.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (&Page, &Routes)> {
        self.tracks.values().filter_map(|page| Some((page, page.routes.as_ref()?)))
    }

    /// The page of a workload; a new one where there is none.
    pub(crate) fn page_mut(&mut self, track: &TrackRef) -> &mut Page {
        let new = || Page { token: Token::default(), salt: crate::sticky::fresh(), ports: Vec::new(), routes: None };
        self.tracks.entry(track.clone()).or_insert_with(new)
    }

    /// The workload, other than this one, that has a port.
    pub(crate) fn holder(&self, port: u16, but: &TrackRef) -> Option<&TrackRef> {
        self.tracks.iter().find(|(track, page)| *track != but && page.ports.contains(&port)).map(|(track, _)| track)
    }

    /// Refuses an older token than the newest seen.
    pub(crate) fn check(&self, track: &TrackRef, token: Token) -> Result<()> {
        match self.page(track) {
            Some(page) if token < page.token => {
                let message = format!("the proxy has seen token {} of {track}, so {token} is too old", page.token);
                Err(Error::new(Kind::Fenced, message))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> TrackRef {
        "shop/production/web@here".parse().unwrap()
    }

    #[test]
    fn an_older_token_is_refused_and_an_equal_one_is_not() {
        let mut book = Book::default();
        book.page_mut(&track()).token = Token::new(2, 5);
        assert!(book.check(&track(), Token::new(2, 5)).is_ok());
        assert!(book.check(&track(), Token::new(3, 0)).is_ok());
        let error = book.check(&track(), Token::new(2, 4)).unwrap_err();
        assert_eq!(error.kind(), Kind::Fenced);
        assert_eq!(error.to_string(), "the proxy has seen token 2.5 of shop/production/web@here, so 2.4 is too old");
    }

    #[test]
    fn what_was_written_is_read_again() {
        let mut book = Book::default();
        book.page_mut(&track()).ports = vec![8080];
        assert_eq!(Book::parse(&book.print().unwrap()).unwrap(), book);
    }

    #[test]
    fn another_version_and_unknown_keys_are_refused() {
        assert_eq!(
            Book::parse(br#"{"version":2,"tracks":{}}"#).unwrap_err(),
            "it is of version 2, this program knows 1"
        );
        assert!(Book::parse(br#"{"version":1,"tracks":{},"more":1}"#).is_err());
        assert!(Book::parse(b"").is_err());
    }
}
