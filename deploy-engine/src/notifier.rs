//! Telling others: without ever waiting for them.

use async_trait::async_trait;
use deploy_core::{Error, Event, Kind, Notifier, Record, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// So many events wait for a slow notifier; later ones are dropped.
const QUEUE: usize = 1024;

/// Tells a URL of every event: a POST with the deployment, its application, environment, release, status and progress,
/// and the event's number, time, name and track as JSON. No spec and no value of the environment is sent.
#[derive(Debug)]
pub struct WebhookNotifier(Webhook);

#[derive(Serialize)]
struct Message<'a> {
    deployment: &'a str,
    application: &'a str,
    environment: &'a str,
    release: &'a str,
    version: &'a str,
    status: deploy_core::Status,
    progress: u8,
    reason: Option<&'a str>,
    number: u64,
    at: deploy_core::Timestamp,
    event: &'static str,
    track: Option<String>,
}

impl WebhookNotifier {
    /// Tells a URL, `http` or `https`.
    ///
    /// # Errors
    /// `Invalid` for what is no URL.
    pub fn new(url: &str) -> Result<Self> {
        Webhook::new(url).map(Self)
    }

    /// Sends a header along, as for authorization. Its value is never logged.
    ///
    /// # Errors
    /// `Invalid` for what is no header.
    pub fn header(self, name: &str, value: &str) -> Result<Self> {
        self.0.header(name, value).map(Self)
    }

    /// Waits so long for an answer. Default 5 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn notify(&self, record: &Record, event: &Event) -> Result<()> {
        let message = Message {
            deployment: record.id.as_str(),
            application: record.scope.application.as_str(),
            environment: record.scope.environment.as_str(),
            release: record.request.release.id.as_str(),
            version: record.request.release.version(),
            status: record.status(),
            progress: record.progress,
            reason: record.reason(),
            number: event.number,
            at: event.at,
            event: event.what.name(),
            track: event.what.track().map(ToString::to_string),
        };
        self.0.post(&message).await.map(drop)
    }
}

/// A URL that JSON is posted to.
pub(crate) struct Webhook {
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Webhook {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let invalid = || Error::invalid("a webhook needs an http or https URL");
        let url = Url::parse(url).map_err(|error| invalid().from_source(error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid().with("scheme", url.scheme()));
        }
        Ok(Self { url, headers: HeaderMap::new(), timeout: Duration::from_secs(5) })
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let invalid = || Error::invalid(format!("`{name}` and its value are no HTTP header"));
        let name_of = HeaderName::try_from(name).map_err(|_| invalid())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
        value.set_sensitive(true);
        self.headers.insert(name_of, value);
        Ok(self)
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The URL may bear a token in its path or query: only its host is ever told.
    pub(crate) async fn post(&self, body: &impl Serialize) -> Result<Vec<u8>> {
        let host = self.url.host_str().unwrap_or("?");
        let failed = |error: reqwest::Error| {
            let kind = if error.is_timeout() { Kind::Timeout } else { Kind::Unavailable };
            Error::new(kind, format!("the webhook at {host} gave no answer")).from_source(error.without_url())
        };
        let client = Client::builder().timeout(self.timeout).build().map_err(failed)?;
        let sent = client.post(self.url.clone()).headers(self.headers.clone()).json(body).send();
        let answer = sent.await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        Ok(answer.bytes().await.map_err(failed)?.to_vec())
    }
}

/// What one notifier is still to be told.
#[derive(Debug, Clone)]
pub(crate) struct Told(Sender<(Arc<Record>, Event)>);

impl Told {
    /// Begins to tell a notifier; ends when nobody tells anything any more.
    pub(crate) fn begin(notifier: Arc<dyn Notifier>, timeout: Duration) -> Self {
        let (tell, told) = channel(QUEUE);
        tokio::spawn(tell_all(notifier, timeout, told));
        Self(tell)
    }

    pub(crate) fn tell(&self, record: &Arc<Record>, event: &Event) {
        if self.0.try_send((record.clone(), event.clone())).is_err() {
            crate::metrics::not_told();
        }
    }
}

async fn tell_all(notifier: Arc<dyn Notifier>, timeout: Duration, mut told: Receiver<(Arc<Record>, Event)>) {
    while let Some((record, event)) = told.recv().await {
        match tokio::time::timeout(timeout, notifier.notify(&record, &event)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(deployment = %record.id, event = event.number, %error, "not told"),
            Err(_) => tracing::warn!(deployment = %record.id, event = event.number, "not told in time"),
        }
    }
}
