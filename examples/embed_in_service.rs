//! An HTTP service that embeds the engine, with axum. It asks itself for two deployments, follows the second, and ends.
//!
//! | | |
//! |---|---|
//! | `POST /deployments` | `{ "version": "v2", "strategy": "rolling" }`; answers with the id at once |
//! | `GET /deployments/{id}` | status, progress, and what is awaited |
//! | `GET /deployments/{id}/events` | a JSON line for each event, as they happen, until the end |
//!
//! The runtime, the HTTP server and, if there were one, the logger are the service's own: the engine brings none. Needs
//! nothing but Rust: a small application runs here in 3 processes behind the proxy.
//!
//! ```text
//! cargo run --example embed_in_service
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to people")]

mod common;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use common::Site;
use deploy::core::DeploymentId;
use deploy::prelude::{Engine, Error, Kind, Result};
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What every request sees.
struct Service {
    site: Site,
    engine: Engine,
}

fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/deployments", post(deploy))
        .route("/deployments/{id}", get(show))
        .route("/deployments/{id}/events", get(events))
        .with_state(service)
}

async fn deploy(State(service): State<Arc<Service>>, Json(asked): Json<Value>) -> Answer<Response> {
    let version = asked["version"].as_str().ok_or_else(|| Error::at("version", "it is missing"))?;
    let release = service.site.release(version, asked["strategy"].clone(), &[])?;
    let id = service.engine.deploy(("demo", &release)).by("the service").await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response())
}

async fn show(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let record = service.engine.get(&DeploymentId::new(id)).await?;
    let waiting: Vec<_> = record.waiting().iter().map(ToString::to_string).collect();
    Ok(Json(json!({ "status": record.status(), "progress": record.progress, "waiting": waiting })))
}

async fn events(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Answer<Body> {
    let id = DeploymentId::new(id);
    service.engine.get(&id).await?;
    let lines = service.engine.watch(&id, 0).map_ok(|event| format!("{}\n", json!(event)));
    Ok(Body::from_stream(lines))
}

type Answer<T> = std::result::Result<T, Refused>;

/// An error as an answer: its kind decides the status.
struct Refused(Error);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0.kind() {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Busy | Kind::Conflict => StatusCode::CONFLICT,
            Kind::Invalid | Kind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = common::role().await {
        return code;
    }
    match demonstrate().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<bool> {
    let site = Site::new("embed").await?;
    let engine = site.engine().await?;
    let service = Arc::new(Service { site, engine });
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(broken)?;
    let address = listener.local_addr().map_err(broken)?.to_string();
    println!("the service listens on http://{address}");
    let server = tokio::spawn(axum::serve(listener, routes(service.clone())).into_future());

    let well = use_it(&address).await;

    server.abort();
    service.engine.shutdown().await;
    let _ = server.await;
    if let Some(service) = Arc::into_inner(service) {
        service.site.close().await?;
    }
    well
}

/// What a client of the service does.
async fn use_it(address: &str) -> Result<bool> {
    let first = post_deployment(address, "v1").await?;
    ask(address, "GET", &format!("/deployments/{first}/events"), "").await?;
    let second = post_deployment(address, "v2").await?;
    println!("POST /deployments -> {second}");
    let events = ask(address, "GET", &format!("/deployments/{second}/events"), "").await?;
    println!("GET /deployments/{second}/events -> {} events", events.lines().count());
    let shown = ask(address, "GET", &format!("/deployments/{second}"), "").await?;
    println!("GET /deployments/{second} -> {shown}");
    let unknown = ask(address, "GET", "/deployments/unknown", "").await?;
    println!("GET /deployments/unknown -> {unknown}");
    Ok(read(&shown)?["status"] == "completed" && unknown.contains("error"))
}

async fn post_deployment(address: &str, version: &str) -> Result<String> {
    let asked = json!({ "version": version, "strategy": "rolling" }).to_string();
    let answer = ask(address, "POST", "/deployments", &asked).await?;
    read(&answer)?["id"].as_str().map(ToOwned::to_owned).ok_or_else(|| Error::invalid(answer))
}

fn read(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("{text}: {error}")))
}

/// One request; the answer's body, to the end of the connection.
async fn ask(address: &str, method: &str, path: &str, body: &str) -> Result<String> {
    let head =
        format!("{method} {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(address).await.map_err(broken)?;
    stream.write_all(format!("{head}{body}").as_bytes()).await.map_err(broken)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(broken)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn broken(error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "the connection broke").from_source(error)
}
