//! Where a redirect leads.

use http::Uri;
use http::uri::PathAndQuery;

/// The path a redirect leads to, if it stays with one of the authorities that mean the instance.
pub(crate) fn followed(from: &PathAndQuery, location: &str, ours: &[&str]) -> Option<PathAndQuery> {
    let location = location.split('#').next()?;
    if let Some(rest) = location.strip_prefix("//") {
        return absolute(&format!("http://{rest}"), ours);
    }
    if location.contains("://") {
        return absolute(location, ours);
    }
    let base = from.path();
    let path = match location.chars().next() {
        None => return Some(from.clone()),
        Some('/') => location.to_owned(),
        Some('?') => format!("{base}{location}"),
        Some(_) => format!("{}/{location}", base.rsplit_once('/').map_or("", |(directory, _)| directory)),
    };
    path.parse().ok()
}

fn absolute(location: &str, ours: &[&str]) -> Option<PathAndQuery> {
    let uri: Uri = location.parse().ok()?;
    let same = |host: &&str| uri.authority().is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host));
    if uri.scheme_str() != Some("http") || !ours.iter().any(same) {
        return None;
    }
    Some(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(location: &str) -> Option<String> {
        let from = PathAndQuery::from_static("/a/b?c=d");
        followed(&from, location, &["10.0.0.1:80", "Example.com"]).map(|path| path.to_string())
    }

    #[test]
    fn a_redirect_that_stays_with_the_instance_is_followed() {
        assert_eq!(led("/x?y=z#top").as_deref(), Some("/x?y=z"));
        assert_eq!(led("x").as_deref(), Some("/a/x"));
        assert_eq!(led("?q=1").as_deref(), Some("/a/b?q=1"));
        assert_eq!(led("http://10.0.0.1:80/x").as_deref(), Some("/x"));
        assert_eq!(led("http://example.com").as_deref(), Some("/"));
        assert_eq!(led("//example.com/x").as_deref(), Some("/x"));
    }

    #[test]
    fn a_redirect_elsewhere_is_not_followed() {
        for location in
            ["http://10.0.0.2:80/", "http://10.0.0.1:81/", "https://example.com/", "//else.where/", "ftp://x/"]
        {
            assert_eq!(led(location), None, "{location}");
        }
    }
}
