//! HTTP/1.1 requests as a strict server reads them, by RFC 9112 to the letter.

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// All values of a header, by its name in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_slice()).collect()
    }

    pub(crate) fn one(&self, name: &str) -> Option<&[u8]> {
        match self.all(name).as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// Reads the requests of a connection; the last one may be cut off.
///
/// # Errors
/// What a strict server would not take, in words.
pub(crate) fn requests(mut bytes: &[u8]) -> Result<Vec<Request>, String> {
    let mut found = Vec::new();
    while let Some((head, rest)) = cut(bytes, b"\r\n\r\n") {
        let request = head_of(head)?;
        let body = body(&request, rest)?;
        let upgrades = request.one("upgrade").is_some();
        found.push(request);
        match body {
            // What follows an upgrade is of another protocol.
            Some(rest) if !upgrades => bytes = rest,
            _ => return Ok(found),
        }
    }
    Ok(found)
}

fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

fn head_of(head: &[u8]) -> Result<Request, String> {
    let mut lines = split(head).into_iter();
    let line = lines.next().unwrap_or_default();
    let line = String::from_utf8(line.to_vec()).map_err(|_| format!("a request line of {line:?}"))?;
    let parts: Vec<&str> = line.split(' ').collect();
    let fits =
        matches!(parts.as_slice(), [method, path, "HTTP/1.1"] if is_token(method.as_bytes()) && !path.is_empty());
    if !fits || line.bytes().any(|byte| byte < 0x20) {
        return Err(format!("a request line of {line:?}"));
    }
    let headers = lines.map(header).collect::<Result<_, _>>()?;
    Ok(Request { line, headers })
}

fn split(head: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut rest) = (Vec::new(), head);
    while let Some((line, after)) = cut(rest, b"\r\n") {
        lines.push(line);
        rest = after;
    }
    lines.push(rest);
    lines
}

fn header(line: &[u8]) -> Result<(String, Vec<u8>), String> {
    let at = line.iter().position(|byte| *byte == b':').ok_or_else(|| format!("a header line of {line:?}"))?;
    let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
    if !is_token(name) || value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(format!("a header line of {:?}", String::from_utf8_lossy(line)));
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What follows the body; none where it is cut off.
fn body<'a>(request: &Request, rest: &'a [u8]) -> Result<Option<&'a [u8]>, String> {
    match (request.all("transfer-encoding").as_slice(), request.all("content-length").as_slice()) {
        ([], []) => Ok(Some(rest)),
        ([], [length]) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let text = String::from_utf8_lossy(length);
            let length: u64 = text.parse().ok().filter(|_| digits).ok_or_else(|| format!("a length of {text:?}"))?;
            Ok(usize::try_from(length).ok().and_then(|length| rest.get(length..)))
        }
        ([encoding], []) if encoding.eq_ignore_ascii_case(b"chunked") => chunks(rest),
        (encodings, lengths) => Err(format!("{encodings:?} beside lengths {lengths:?}")),
    }
}

fn chunks(mut rest: &[u8]) -> Result<Option<&[u8]>, String> {
    loop {
        let Some((size, after)) = cut(rest, b"\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(size);
        let hexadecimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(&text, 16).ok().filter(|_| hexadecimal);
        let size = size.ok_or_else(|| format!("a chunk of size {text:?}"))?;
        if size == 0 {
            return trailers(after);
        }
        let Some(end) = usize::try_from(size).ok().filter(|size| *size < after.len()) else { return Ok(None) };
        rest = match &after[end..] {
            [b'\r', b'\n', more @ ..] => more,
            [] | [b'\r'] => return Ok(None),
            other => return Err(format!("{:?} behind a chunk", &other[..other.len().min(8)])),
        };
    }
}

fn trailers(mut rest: &[u8]) -> Result<Option<&[u8]>, String> {
    while let Some((line, after)) = cut(rest, b"\r\n") {
        if line.is_empty() {
            return Ok(Some(after));
        }
        header(line)?;
        rest = after;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_passed_over_and_the_next_request_is_found() {
        let bytes =
            b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
            2\r\nab\r\n0\r\nx: y\r\n\r\nGET /c HTTP/1.1\r\n\r\nGET /d";
        let lines: Vec<_> = requests(bytes).expect("well formed").into_iter().map(|request| request.line).collect();
        assert_eq!(lines, ["POST /a HTTP/1.1", "POST /b HTTP/1.1", "GET /c HTTP/1.1"]);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for head in [
            "content-length: 1\r\ncontent-length: 2",
            "content-length: +1",
            "content-length: 1\r\ntransfer-encoding: chunked",
            "transfer-encoding: gzip, chunked",
            "a b: c",
            "a : c",
            "a\nb: c",
        ] {
            assert!(requests(format!("GET / HTTP/1.1\r\n{head}\r\n\r\n1").as_bytes()).is_err(), "{head}");
        }
    }
}
