//! The gRPC health protocol: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use crate::dial::{Dial, answer_by, deadline};
use async_trait::async_trait;
use deploy_core::{Error, GrpcCheck, Health, HealthCheck, Kind, ProbeTarget, Result};
use futures::future::{self, BoxFuture, Either};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[derive(Debug)]
pub(crate) struct Grpc {
    check: GrpcCheck,
    limit: Duration,
}

impl Grpc {
    pub(crate) const fn new(check: GrpcCheck, limit: Duration) -> Self {
        Self { check, limit }
    }

    async fn ask(&self, dial: &Dial) -> Result<Health> {
        let origin = format!("http://{}", dial.address()).parse().map_err(|error: http::uri::InvalidUri| {
            Error::new(Kind::Invalid, format!("`{}` is not host:port", dial.address())).from_source(error)
        })?;
        let Some(stream) = dial.connect().await? else { return Ok(Health::Unhealthy) };
        Ok(self.exchange(stream, origin).await.unwrap_or(Health::Unhealthy))
    }

    /// None: no answer although it was reached.
    async fn exchange(&self, stream: TcpStream, origin: http::Uri) -> Option<Health> {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
        let mut client = HealthClient::with_origin(Channel(sender), origin);
        let question = HealthCheckRequest { service: self.check.service.clone() };
        let answer = pin!(client.check(question));
        let answer = match future::select(answer, pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((_ended, answer)) => answer.await,
        };
        Some(health(answer.ok()?.into_inner().status()))
    }
}

const fn health(status: ServingStatus) -> Health {
    match status {
        ServingStatus::Serving => Health::Healthy,
        ServingStatus::NotServing | ServingStatus::ServiceUnknown => Health::Unhealthy,
        ServingStatus::Unknown => Health::Unknown,
    }
}

#[async_trait]
impl HealthCheck for Grpc {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let deadline = deadline(self.limit);
        let dial = Dial::resolve(target, self.check.port.as_deref(), deadline).await?;
        answer_by(deadline, self.ask(&dial)).await
    }
}

/// One connection for one question.
struct Channel(SendRequest<Body>);

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
