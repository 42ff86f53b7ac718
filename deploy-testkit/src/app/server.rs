//! Serves until told to stop, then ends what is in flight.

use super::{answer::Answers, settings::Settings};
use deploy_core::{Error, Kind, Result, time::show};
use futures::FutureExt;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time,
};

/// How long a new connection may take to send its first request once the application is told to stop.
const FIRST: Duration = Duration::from_millis(500);

/// An application that serves in this process until it is stopped or dropped.
///
/// A start delay and a crash are for processes of their own: here they do nothing.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    grace: Duration,
}

impl App {
    /// Starts to serve on 127.0.0.1.
    ///
    /// # Errors
    /// `Unavailable` when the port cannot be listened on.
    pub async fn start(settings: Settings) -> Result<Self> {
        let port = settings.port;
        let taken = |e| {
            let message = format!("cannot listen on 127.0.0.1:{port}; is the port taken?");
            Error::new(Kind::Unavailable, message).from_source(e)
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let (stop, stopped) = watch::channel(false);
        let grace = settings.grace;
        let accepting = tokio::spawn(accept(listener, Arc::new(Answers::new(settings)), stopped));
        Ok(Self { address, stop, accepting, grace })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, finishes what is in flight and returns when all connections are closed.
    ///
    /// # Errors
    /// `Timeout` when that takes longer than the grace; what is left runs on until the runtime ends.
    ///
    /// # Cancel safety
    /// Once polled it is told to stop, and goes on to do so when the future is dropped.
    pub async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        let over = || Error::new(Kind::Timeout, format!("requests were in flight after {}", show(self.grace)));
        time::timeout(self.grace, self.stop.closed()).await.map_err(|_| over())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.accepting.abort();
    }
}

/// Waits until told to stop, or until nobody is left who could tell.
pub(super) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Each connection holds a receiver of `stop`: the sender sees its end when the last one is gone.
async fn accept(listener: TcpListener, answers: Arc<Answers>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, answers.clone(), stop.clone()))),
            // Out of descriptors: a pause lets some close.
            Err(_) => time::sleep(Duration::from_millis(10)).await,
        }
    }
    // Closing the listener would reset what the system has accepted for us.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        tokio::spawn(serve(stream, answers.clone(), stop.clone()));
    }
}

async fn serve(stream: TcpStream, answers: Arc<Answers>, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let (upgrades, begun) = (stop.clone(), Arc::new(Notify::new()));
    let first = begun.clone();
    let service = service_fn(move |request| {
        begun.notify_one();
        answers.clone().answer(request, upgrades.clone())
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told(&mut stop) => {}
    }
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = time::timeout(FIRST, first.notified()) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
