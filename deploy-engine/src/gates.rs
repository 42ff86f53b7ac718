//! A gate that asks over HTTP.

use crate::notifier::Webhook;
use async_trait::async_trait;
use deploy_core::{Decision, Error, Gate, GateAsk, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Asks a URL whether a deployment may go on.
///
/// Sends a POST with the key, the deployment, the track, the gate's name and its settings as JSON, and reads
/// `{"decision": "open"}`, `{"decision": "closed", "reason": "…"}` or `{"decision": "waiting"}`. Anything else, and no
/// answer within 5 s, is an error, which the engine takes for waiting.
#[derive(Debug)]
pub struct WebhookGate(Webhook);

#[derive(Serialize)]
struct Question<'a> {
    key: &'a str,
    deployment: &'a str,
    track: Option<String>,
    gate: &'a str,
    settings: &'a serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
enum Answer {
    Open,
    Closed {
        #[serde(default)]
        reason: String,
    },
    Waiting,
}

impl WebhookGate {
    /// Asks a URL, `http` or `https`.
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
impl Gate for WebhookGate {
    async fn ask(&self, ask: &GateAsk) -> Result<Decision> {
        let question = Question {
            key: &ask.key,
            deployment: ask.deployment.as_str(),
            track: ask.track.as_ref().map(ToString::to_string),
            gate: ask.gate.name.as_str(),
            settings: &ask.gate.settings,
        };
        let answer = self.0.post(&question).await?;
        match serde_json::from_slice(&answer) {
            Ok(Answer::Open) => Ok(Decision::Open),
            Ok(Answer::Closed { reason }) => Ok(Decision::Closed(or_else(reason, &ask.gate.name))),
            Ok(Answer::Waiting) => Ok(Decision::Waiting),
            Err(error) => {
                let message = "the gate's answer is not {\"decision\": \"open\" | \"closed\" | \"waiting\"}";
                Err(Error::new(Kind::Unavailable, message).with("gate", &ask.gate.name).from_source(error))
            }
        }
    }
}

fn or_else(reason: String, gate: &deploy_core::Name) -> String {
    if reason.is_empty() { format!("gate {gate} gave no reason") } else { reason }
}

/// Gates by kind.
pub(crate) type Gates = BTreeMap<String, std::sync::Arc<dyn Gate>>;
