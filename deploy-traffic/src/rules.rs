//! What a request says about its side.

use crate::sticky;
use deploy_core::{Error, Match, Result, Split};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// The matches and the stickiness of a split, ready to be asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    matches: Vec<Rule>,
    sticky: Option<Cookie>,
}

#[derive(Debug, PartialEq, Eq)]
enum Rule {
    Header(HeaderName, String),
    Cookie(String, String),
}

#[derive(Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    max_age: Duration,
    salt: String,
}

/// What the rules say of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: the share decides.
    Divide,
    /// It goes to the candidate.
    Candidate,
    /// The client stands at a position.
    At(u16),
}

impl Rules {
    /// The rules of a split.
    pub(crate) fn new(split: &Split, salt: &str) -> Result<Self> {
        let matches = split.matches.iter().map(Rule::new).collect::<Result<_>>()?;
        let sticky = match &split.sticky {
            None => None,
            Some(told) => {
                is_token(&told.cookie)?;
                Some(Cookie { name: told.cookie.clone(), max_age: told.max_age, salt: salt.into() })
            }
        };
        Ok(Self { matches, sticky })
    }

    /// Whether only the share decides.
    pub(crate) fn is_empty(&self) -> bool {
        self.matches.is_empty() && self.sticky.is_none()
    }

    /// The verdict on a request, and the cookie to give to a client that has none.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> (Verdict, Option<HeaderValue>) {
        if self.matches.iter().any(|rule| rule.is_met(headers)) {
            return (Verdict::Candidate, None);
        }
        self.sticky.as_ref().map_or((Verdict::Divide, None), |cookie| cookie.place(headers))
    }
}

impl Cookie {
    fn place(&self, headers: &HeaderMap) -> (Verdict, Option<HeaderValue>) {
        if let Some(value) = sticky::cookie(headers, &self.name).filter(|value| !value.is_empty()) {
            return (Verdict::At(sticky::position(&self.salt, value)), None);
        }
        let value = sticky::fresh();
        let position = sticky::position(&self.salt, value.as_bytes());
        (Verdict::At(position), sticky::set_cookie(&self.name, &value, self.max_age))
    }
}

impl Rule {
    fn new(told: &Match) -> Result<Self> {
        match told {
            Match::Header { name, value } => {
                let parsed = HeaderName::try_from(name.as_str())
                    .map_err(|_| Error::invalid(format!("`{name}` is not a name of a header that can be matched")))?;
                Ok(Self::Header(parsed, value.clone()))
            }
            Match::Cookie { name, value } => is_token(name).map(|()| Self::Cookie(name.clone(), value.clone())),
        }
    }

    fn is_met(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Header(name, value) => headers.get_all(name).iter().any(|seen| seen.as_bytes() == value.as_bytes()),
            Self::Cookie(name, value) => sticky::cookies(headers, name).any(|seen| seen == value.as_bytes()),
        }
    }
}

fn is_token(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::invalid(format!("`{name}` is not a name of a cookie: use letters, digits and any of !#$%&'*+-.^_`|~")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use deploy_core::Sticky;

    fn header(name: &str, value: &str) -> Match {
        Match::Header { name: name.into(), value: value.into() }
    }

    fn asked(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_header_matches_whatever_the_case_of_its_name() {
        let rules = Rules::new(&Split::matching([header("X-Beta", "yes")]), "").unwrap();
        assert_eq!(rules.judge(&asked(&[("x-beta", "yes")])).0, Verdict::Candidate);
        assert_eq!(rules.judge(&asked(&[("x-beta", "YES")])).0, Verdict::Divide);
        assert_eq!(rules.judge(&asked(&[])), (Verdict::Divide, None));
    }

    #[test]
    fn a_cookie_matches_by_its_exact_value() {
        let told = Match::Cookie { name: "beta".into(), value: "1".into() };
        let rules = Rules::new(&Split::matching([told]), "").unwrap();
        assert_eq!(rules.judge(&asked(&[("cookie", "a=b; beta=1")])).0, Verdict::Candidate);
        assert_eq!(rules.judge(&asked(&[("cookie", "beta=11")])).0, Verdict::Divide);
    }

    #[test]
    fn a_client_without_a_cookie_is_given_one_that_puts_it_where_it_is_now() {
        let sticky = Sticky { cookie: "side".into(), max_age: Duration::from_secs(60) };
        let rules = Rules::new(&Split::percent(5).sticky(sticky), "salt").unwrap();
        let (verdict, cookie) = rules.judge(&asked(&[]));
        let cookie = cookie.unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let headers = HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::try_from(pair).unwrap())]);
        assert!(matches!(verdict, Verdict::At(_)));
        assert_eq!(rules.judge(&headers), (verdict, None));
    }

    #[test]
    fn names_that_no_request_can_have_are_refused() {
        let error = Rules::new(&Split::matching([header("no spaces", "x")]), "").unwrap_err();
        assert_eq!(error.to_string(), "`no spaces` is not a name of a header that can be matched");
        let sticky = Sticky { cookie: "a;b".into(), max_age: Duration::ZERO };
        assert!(Rules::new(&Split::percent(5).sticky(sticky), "").is_err());
    }
}
