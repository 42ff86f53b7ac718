//! The three kinds of HTTP clients.

use super::{
    connection::{Broken, Connection, Target},
    report::ClientKind,
    verdict::Answer,
};
use std::sync::{Mutex, PoisonError};

/// How many idle connections a keep-alive client keeps.
const IDLE: usize = 4;

/// One client.
pub(super) enum Client {
    KeepAlive(Mutex<Vec<Connection>>),
    Closing,
    Http2(tokio::sync::Mutex<Shared>),
}

/// The connection of an HTTP/2 client and how many it has had.
#[derive(Default)]
pub(super) struct Shared {
    connection: Option<Connection>,
    number: u64,
}

impl Client {
    pub(super) fn new(kind: ClientKind) -> Self {
        match kind {
            ClientKind::KeepAlive => Self::KeepAlive(Mutex::default()),
            ClientKind::Http2 => Self::Http2(tokio::sync::Mutex::default()),
            _ => Self::Closing,
        }
    }

    pub(super) fn kind(&self) -> ClientKind {
        match self {
            Self::KeepAlive(_) => ClientKind::KeepAlive,
            Self::Closing => ClientKind::Closing,
            Self::Http2(_) => ClientKind::Http2,
        }
    }

    /// Sends one request; calls `reused_closed` when a reused idle connection was closed under it, and sends it anew.
    pub(super) async fn fetch(&self, target: &Target, path: &str, reused_closed: impl Fn()) -> Result<Answer, String> {
        match self {
            Self::Closing => {
                let mut connection = Connection::http1(target).await?;
                connection.exchange(target, path, true).await.map_err(Broken::what)
            }
            Self::KeepAlive(idle) => keep_alive(idle, target, path, reused_closed).await,
            Self::Http2(shared) => http2(shared, target, path, reused_closed).await,
        }
    }
}

async fn keep_alive(
    idle: &Mutex<Vec<Connection>>,
    target: &Target,
    path: &str,
    reused_closed: impl Fn(),
) -> Result<Answer, String> {
    while let Some(mut connection) = pop(idle) {
        if !connection.is_usable().await {
            continue;
        }
        match connection.exchange(target, path, false).await {
            Ok(answer) => return Ok(keep(idle, connection, answer)),
            Err(Broken::Unsent) => {}
            Err(Broken::Unseen(_)) => {
                reused_closed();
                break;
            }
            Err(Broken::Lost(what)) => return Err(format!("{what} (on a reused connection)")),
        }
    }
    let mut connection = Connection::http1(target).await?;
    let answer = connection.exchange(target, path, false).await.map_err(Broken::what)?;
    Ok(keep(idle, connection, answer))
}

fn pop(idle: &Mutex<Vec<Connection>>) -> Option<Connection> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn keep(idle: &Mutex<Vec<Connection>>, connection: Connection, answer: Answer) -> Answer {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < IDLE {
        idle.push(connection);
    }
    answer
}

async fn http2(
    shared: &tokio::sync::Mutex<Shared>,
    target: &Target,
    path: &str,
    reused_closed: impl Fn(),
) -> Result<Answer, String> {
    let mut beyond = 0;
    loop {
        let (mut connection, number, reused) = current(shared, target, beyond).await?;
        match connection.exchange(target, path, false).await {
            Ok(answer) => return Ok(answer),
            Err(Broken::Unsent) => {}
            Err(Broken::Unseen(_)) if reused => reused_closed(),
            Err(broken) => return Err(broken.what()),
        }
        beyond = number;
    }
}

/// The client's connection, newer than number `beyond`, and whether it was there before.
async fn current(
    shared: &tokio::sync::Mutex<Shared>,
    target: &Target,
    beyond: u64,
) -> Result<(Connection, u64, bool), String> {
    let mut shared = shared.lock().await;
    if shared.number > beyond
        && let Some(connection) = &mut shared.connection
        && connection.is_usable().await
        && let Some(connection) = connection.share()
    {
        return Ok((connection, shared.number, true));
    }
    let opened = Connection::http2(target).await?;
    let connection = opened.share();
    shared.number += 1;
    shared.connection = connection;
    Ok((opened, shared.number, false))
}
