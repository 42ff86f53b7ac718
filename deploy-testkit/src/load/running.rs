//! A load that runs.

use super::{
    Load,
    book::Book,
    client::Client,
    connection::Target,
    figures::SocketFigures,
    report::{ClientKind, Report, Section},
    schedule::Schedule,
    socket::Socket,
};
use serde::Serialize;
use std::{fmt, iter, sync::Arc};
use tokio::{sync::watch, task::JoinSet};

/// The counts at this moment, of all sections together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// HTTP requests sent.
    pub sent: u64,
    /// Losses, those of the WebSockets included.
    pub lost: u64,
    /// 5xx responses that bear the version header.
    pub own_errors: u64,
    /// Requests not sent since too many were outstanding.
    pub overrun: u64,
    /// Requests without an end yet.
    pub outstanding: u64,
    /// The WebSockets.
    pub sockets: SocketFigures,
}

/// A load that runs until it is stopped or dropped.
pub struct Running {
    book: Arc<Book>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    pub(super) fn start(load: &Load, target: Target) -> Self {
        let (book, target) = (Arc::new(Book::new()), Arc::new(target));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if load.rate > 0 {
            tasks.spawn(schedule(load, &book, &target).run(stopped.clone()));
        }
        for _ in 0..load.sockets {
            let socket = Socket::new(book.clone(), target.clone(), load.socket_path.clone());
            tasks.spawn(socket.run(stopped.clone()));
        }
        Self { book, stop, tasks }
    }

    /// Begins a new section.
    pub fn mark(&self, name: impl Into<String>) {
        self.book.mark(Section::new(name, false));
    }

    /// Begins a new section in which losses are expected, as recreate leaves a gap.
    pub fn mark_gap(&self, name: impl Into<String>) {
        self.book.mark(Section::new(name, true));
    }

    /// The counts at this moment.
    pub fn now(&self) -> Snapshot {
        self.book.now()
    }

    /// Sends no more, waits for what is outstanding (the timeout at most) and returns the report.
    ///
    /// # Cancel safety
    /// Dropping the future ends the load at once, without a report.
    pub async fn stop(mut self) -> Report {
        self.book.close();
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.book.report()
    }
}

/// Waits until told to stop, or until nobody is left who could tell.
pub(super) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn schedule(load: &Load, book: &Arc<Book>, target: &Arc<Target>) -> Schedule {
    let kinds = mixed([
        (ClientKind::KeepAlive, load.keep_alive),
        (ClientKind::Closing, load.closing),
        (ClientKind::Http2, load.http2),
    ]);
    Schedule {
        book: book.clone(),
        target: target.clone(),
        clients: kinds.into_iter().map(|kind| Arc::new(Client::new(kind))).collect(),
        path: load.path.as_str().into(),
        slow_path: load.slow_path.as_str().into(),
        rate: load.rate,
        slow_percent: load.slow_percent,
        call_path: load.call_path.as_str().into(),
        call_percent: load.call_percent,
        outstanding: load.outstanding,
    }
}

/// The kinds in turn, so that a short run has each.
fn mixed<const N: usize>(kinds: [(ClientKind, usize); N]) -> Vec<ClientKind> {
    let most = kinds.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let round =
        |n: usize| kinds.into_iter().filter(move |(_, count)| n < *count).flat_map(|(kind, _)| iter::once(kind));
    (0..most).flat_map(round).collect()
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("now", &self.now()).finish_non_exhaustive()
    }
}
