//! What becomes of headers on their way through.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes of a client's request what an instance gets, but for the body: HTTP/1.1, a path, a host, nothing hop by hop.
///
/// # Errors
/// What is answered where the request cannot be passed on, and why.
pub(crate) fn forward<B>(request: &mut Request<B>, peer: &HeaderValue, upgrade: bool) -> Result<(), Refused> {
    if request.method() == http::Method::CONNECT {
        return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "connect"));
    }
    let host = host(request)?;
    let version = std::mem::replace(request.version_mut(), Version::HTTP_11);
    let protocol = if upgrade { request.headers_mut().remove(header::UPGRADE) } else { None };
    let headers = request.headers_mut();
    strip(headers);
    headers.remove(header::EXPECT);
    if version == Version::HTTP_2 {
        join_cookies(headers);
    }
    if let Some(host) = &host {
        headers.entry(&FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    if let Some(host) = host {
        headers.insert(header::HOST, host);
    }
    headers.entry(&FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    add_peer(headers, peer);
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    Ok(())
}

/// Why a request is not passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) &'static str);

/// The host of a request; its URI is only a path afterwards.
fn host<B>(request: &mut Request<B>) -> Result<Option<HeaderValue>, Refused> {
    if request.uri().authority().is_none() {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        return match (hosts.next(), hosts.next(), request.version()) {
            (Some(host), None, _) => Ok(Some(host.clone())),
            (None, _, Version::HTTP_10) => Ok(None),
            _ => Err(Refused(StatusCode::BAD_REQUEST, "host")),
        };
    }
    let parts = std::mem::take(request.uri_mut()).into_parts();
    // Of `http://shop#about` nothing is left but the root.
    let path = parts.path_and_query.map(Uri::from).filter(|uri| !uri.path().is_empty());
    *request.uri_mut() = path.unwrap_or_default();
    let authority = parts.authority.as_ref().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    HeaderValue::try_from(host).map(Some).map_err(|_| Refused(StatusCode::BAD_REQUEST, "host"))
}

/// Removes what concerns one hop only, and what the connection header names.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> = named.flat_map(|line| line.split(',')).filter_map(named_header).collect();
    for name in named {
        headers.remove(name);
    }
    if headers.remove(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    for name in [&header::CONNECTION, &header::TRANSFER_ENCODING, &header::UPGRADE, &KEEP_ALIVE, &PROXY_CONNECTION] {
        headers.remove(name);
    }
}

fn named_header(name: &str) -> Option<HeaderName> {
    let name = name.trim();
    let is_option = name.eq_ignore_ascii_case("close") || name.eq_ignore_ascii_case("keep-alive");
    // A client must not be able to remove what the proxy relies on.
    let is_kept = ["host", "content-length", "cookie"].iter().any(|kept| name.eq_ignore_ascii_case(kept));
    if is_option || is_kept || name.is_empty() { None } else { name.parse().ok() }
}

fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::try_from(parts.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

fn add_peer(headers: &mut HeaderMap, peer: &HeaderValue) {
    let before: Vec<&[u8]> = headers.get_all(&FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let all = if before.is_empty() {
        Ok(peer.clone())
    } else {
        HeaderValue::try_from([before.join(&b", "[..]), peer.as_bytes().to_vec()].join(&b", "[..]))
    };
    if let Ok(all) = all {
        headers.insert(&FORWARDED_FOR, all);
    }
}

/// Whether a client asks for another protocol on its connection.
pub(crate) fn wants_upgrade<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let says = |value: &HeaderValue| {
        value.to_str().is_ok_and(|line| line.split(',').any(|part| part.trim().eq_ignore_ascii_case("upgrade")))
    };
    request.version() == Version::HTTP_11
        && headers.contains_key(header::UPGRADE)
        && headers.get_all(header::CONNECTION).iter().any(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(request: &mut Request<()>) -> Result<(), Refused> {
        forward(request, &HeaderValue::from_static("10.0.0.9"), false)
    }

    #[test]
    fn the_host_is_kept_and_the_client_is_named() {
        let mut request = Request::get("/a?b=c").header("host", "shop.example").body(()).unwrap();
        passed(&mut request).unwrap();
        let headers = request.headers();
        assert_eq!(headers["host"], "shop.example");
        assert_eq!(headers["x-forwarded-host"], "shop.example");
        assert_eq!(headers["x-forwarded-for"], "10.0.0.9");
        assert_eq!(headers["x-forwarded-proto"], "http");
    }

    #[test]
    fn a_chain_of_proxies_is_kept() {
        let mut request = Request::get("/").header("host", "a").header("x-forwarded-for", "1.2.3.4").body(()).unwrap();
        request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
        passed(&mut request).unwrap();
        assert_eq!(request.headers()["x-forwarded-for"], "1.2.3.4, 10.0.0.9");
        assert_eq!(request.headers()["x-forwarded-proto"], "https");
    }

    #[test]
    fn what_is_hop_by_hop_stays_behind() {
        let mut request =
            Request::get("/").header("host", "a").header("connection", "close, x-own, host").body(()).unwrap();
        for name in ["x-own", "keep-alive", "te", "upgrade", "proxy-connection", "expect", "transfer-encoding"] {
            request.headers_mut().insert(name, HeaderValue::from_static("x"));
        }
        passed(&mut request).unwrap();
        let mut left: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
    }

    #[test]
    fn an_absolute_uri_tells_the_host() {
        let mut request = Request::get("http://user@shop.example:8080/a?b").header("host", "other").body(()).unwrap();
        passed(&mut request).unwrap();
        assert_eq!(request.uri(), "/a?b");
        assert_eq!(request.headers()["host"], "shop.example:8080");
    }

    #[test]
    fn an_absolute_uri_without_a_path_asks_for_the_root() {
        for (uri, path) in [("http://shop", "/"), ("http://shop#about", "/"), ("http://shop?a=b", "/?a=b")] {
            let mut request = Request::get(uri).body(()).unwrap();
            passed(&mut request).unwrap();
            assert_eq!(request.uri().to_string(), path, "{uri}");
        }
    }

    #[test]
    fn two_hosts_and_none_are_refused() {
        let mut two = Request::get("/").header("host", "a").header("host", "b").body(()).unwrap();
        assert_eq!(passed(&mut two), Err(Refused(StatusCode::BAD_REQUEST, "host")));
        let mut none = Request::get("/").body(()).unwrap();
        assert!(passed(&mut none).is_err());
        *none.version_mut() = Version::HTTP_10;
        assert!(passed(&mut none).is_ok());
    }

    #[test]
    fn cookies_of_http_2_become_one_line() {
        let mut request = Request::get("http://a/").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
        *request.version_mut() = Version::HTTP_2;
        passed(&mut request).unwrap();
        assert_eq!(request.headers().get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
