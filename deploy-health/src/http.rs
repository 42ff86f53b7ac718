//! An HTTP request and what a good answer is.

use crate::dial::{Dial, answer_by, deadline, verdict};
use crate::redirect::followed;
use async_trait::async_trait;
use deploy_core::{Error, Health, HealthCheck, HttpCheck, ProbeTarget, Result};
use futures::future::{self, Either};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;

/// At most so much of a body is looked at.
const BODY: usize = 64 * 1024;
/// At most so many redirects are followed.
const REDIRECTS: usize = 5;

pub(crate) struct Http {
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    status: (u16, u16),
    body: Option<String>,
    version_header: Option<HeaderName>,
    follow_redirects: bool,
    port: Option<String>,
    limit: Duration,
}

/// Headers may bear a password.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Http");
        shown.field("method", &self.method).field("path", &self.path).field("status", &self.status);
        shown.field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(check: &HttpCheck, limit: Duration) -> Result<Self> {
        let unfit = |key: &str, what: &str| Error::at(format!("health.http.{key}"), what);
        if check.status.0 > check.status.1 {
            return Err(unfit("status", "the lowest good status is above the highest; swap them"));
        }
        let path = Some(check.path.as_str()).filter(|path| path.starts_with('/')).and_then(|path| path.parse().ok());
        let method = Method::from_bytes(check.method.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
        let version_header = check.version_header.as_ref().map(|name| name.parse().map_err(|_| name)).transpose();
        Ok(Self {
            method: method.ok_or_else(|| unfit("method", "this is no method a check can send; use GET or HEAD"))?,
            path: path.ok_or_else(|| unfit("path", "this is no path with an optional query; begin it with `/`"))?,
            headers: headers(check)?,
            status: check.status,
            body: check.body.clone(),
            version_header: version_header.map_err(|_| unfit("version_header", "this is no name of a header"))?,
            follow_redirects: check.follow_redirects,
            port: check.port.clone(),
            limit,
        })
    }

    async fn ask(&self, dial: &Dial, target: &ProbeTarget) -> Result<Health> {
        let mut path = self.path.clone();
        for _ in 0..=REDIRECTS {
            let Some(stream) = dial.connect().await? else { return Ok(Health::Unhealthy) };
            match self.exchange(stream, dial, &path, target).await {
                None => return Ok(Health::Unhealthy),
                Some(Answer::Judged(good)) => return Ok(verdict(good)),
                Some(Answer::Redirected(next)) => path = next,
            }
        }
        Ok(Health::Unhealthy)
    }

    /// None: no complete answer although it was reached.
    async fn exchange(
        &self,
        stream: TcpStream,
        dial: &Dial,
        path: &PathAndQuery,
        target: &ProbeTarget,
    ) -> Option<Answer> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let answer = pin!(async {
            let response = sender.send_request(self.request(dial, path)?).await.ok()?;
            if let Some(next) = self.redirect(&response, dial, path) {
                return Some(Answer::Redirected(next));
            }
            Some(Answer::Judged(self.fits(&response, target) && self.body_fits(response).await?))
        });
        match future::select(answer, pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((_ended, answer)) => answer.await,
        }
    }

    fn request(&self, dial: &Dial, path: &PathAndQuery) -> Option<http::Request<Empty<Bytes>>> {
        let mut request = http::Request::new(Empty::new());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = path.clone().into();
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_str(dial.address()).ok()?);
        headers.insert(header::USER_AGENT, HeaderValue::from_static("deploy-health"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.extend(self.headers.clone());
        Some(request)
    }

    /// Where it leads, if that is asked for and stays with the instance; else the redirect is judged by its status.
    fn redirect(&self, response: &Response<Incoming>, dial: &Dial, path: &PathAndQuery) -> Option<PathAndQuery> {
        use StatusCode as S;
        let leads = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
        if !self.follow_redirects || !leads.contains(&response.status()) {
            return None;
        }
        let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(dial.address());
        followed(path, location, &[dial.address(), host])
    }

    fn fits(&self, response: &Response<Incoming>, target: &ProbeTarget) -> bool {
        let (lowest, highest) = self.status;
        let bears = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        (lowest..=highest).contains(&response.status().as_u16())
            && self.version_header.as_ref().is_none_or(|name| {
                bears(name).is_some_and(|value| target.versions.iter().any(|version| version == value.trim()))
            })
    }

    async fn body_fits(&self, response: Response<Incoming>) -> Option<bool> {
        let Some(wanted) = &self.body else { return Some(true) };
        let mut body = response.into_body();
        let mut seen = Vec::new();
        while seen.len() < BODY {
            let Some(frame) = body.frame().await else { break };
            if let Ok(data) = frame.ok()?.into_data() {
                seen.extend_from_slice(&data[..data.len().min(BODY - seen.len())]);
            }
        }
        Some(wanted.is_empty() || seen.windows(wanted.len()).any(|part| part == wanted.as_bytes()))
    }
}

#[async_trait]
impl HealthCheck for Http {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let deadline = deadline(self.limit);
        let dial = Dial::resolve(target, self.port.as_deref(), deadline).await?;
        answer_by(deadline, self.ask(&dial, target)).await
    }
}

enum Answer {
    Judged(bool),
    Redirected(PathAndQuery),
}

fn headers(check: &HttpCheck) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &check.headers {
        let unfit = |what: &str| Error::at(format!("health.http.headers.{name}"), what);
        let key: HeaderName = name.parse().map_err(|_| unfit("this is no name of a header"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unfit("its value cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
