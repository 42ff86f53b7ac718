//! Where a client stands, by its cookie.

use deploy_core::Share;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The position of a client, 0 to 9,999, that its cookie's value gives it for good.
///
/// Whoever stands below the candidate's share is served by the candidate: as the share grows nobody moves away from it.
pub(crate) fn position(salt: &str, value: &[u8]) -> u16 {
    let digest = Sha256::new().chain_update(salt).chain_update([0]).chain_update(value).finalize();
    let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (number % u64::from(Share::WHOLE.points())) as u16
}

/// The value of the first cookie of a name.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    cookies(headers, name).next()
}

/// The values of all cookies of a name.
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs =
        headers.get_all(header::COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// A value that no other client has.
pub(crate) fn fresh() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The `Set-Cookie` that gives a client its value.
pub(crate) fn set_cookie(name: &str, value: &str, max_age: Duration) -> Option<HeaderValue> {
    let text = format!("{name}={value}; Max-Age={}; Path=/; HttpOnly; SameSite=Lax", max_age.as_secs());
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_over_several_lines() {
        let headers = headers(&["a=1; side=x", "sidecar=2; b=3"]);
        assert_eq!(cookie(&headers, "side"), Some(&b"x"[..]));
        assert_eq!(cookie(&headers, "b"), Some(&b"3"[..]));
        assert_eq!(cookie(&headers, "car"), None);
    }

    #[test]
    fn a_value_keeps_its_position_and_another_salt_gives_another() {
        assert_eq!(position("salt", b"client"), position("salt", b"client"));
        let moved = (0..100u8).filter(|client| position("a", &[*client]) != position("b", &[*client])).count();
        assert!(moved > 90, "only {moved} of 100 moved");
    }

    #[test]
    fn positions_are_even() {
        let below = (0..10_000u32).filter(|client| position("salt", &client.to_be_bytes()) < 2_500).count();
        assert!((2_300..2_700).contains(&below), "{below} of 10,000 below a quarter");
    }

    #[test]
    fn the_cookie_lives_as_long_as_told() {
        let cookie = set_cookie("side", "x", Duration::from_secs(60)).unwrap();
        assert_eq!(cookie, "side=x; Max-Age=60; Path=/; HttpOnly; SameSite=Lax");
    }
}
