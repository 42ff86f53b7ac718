//! The proxy as a whole: takes routes, keeps them, and switches to them.

use crate::book::Book;
use crate::config::Config;
use crate::listen::{Port, Shared};
use crate::mirror::Mirror;
use crate::pool;
use crate::served::Served;
use crate::state::StateFile;
use crate::upstream::Upstream;
use deploy_core::{
    Error, Evidence, Fence, Figures, Kind, Result, RouteState, RouterCapabilities, Routes, Share, Side, Timestamp,
    Token, TrackRef, time,
};
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// How long a restored proxy waits for the first of its instances before it listens.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

/// A proxy in this process.
#[derive(Debug)]
pub(crate) struct Proxy {
    runtime: Handle,
    shared: Shared,
    book: Mutex<Book>,
    served: Mutex<HashMap<TrackRef, Arc<Served>>>,
    writer: tokio::sync::Mutex<Writer>,
}

/// Who may write.
#[derive(Debug)]
struct Writer {
    role: Role,
    file: Option<Arc<StateFile>>,
}

/// Whether this proxy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It does.
    Leading,
    /// It is being replaced: nothing may change until it is known whether that succeeds.
    Yielding,
    /// It was replaced, and follows its successor until its last request is answered.
    Following,
}

/// What the embedded proxy can do.
pub(crate) const fn capabilities(survives_engine: bool) -> RouterCapabilities {
    RouterCapabilities {
        evidence: Evidence::DataPlane,
        fence: Fence::Atomic,
        split: true,
        finest: Share::basis_points(1),
        matches: true,
        sticky: true,
        mirror: true,
        propagation: Duration::ZERO,
        survives_engine,
    }
}

impl Proxy {
    /// A proxy that was told nothing yet, on a runtime.
    pub(crate) fn start(runtime: &Handle, config: Config, file: Option<StateFile>) -> Arc<Self> {
        let entered = runtime.enter();
        let shared = Shared {
            mirror: Mirror::start(&config),
            room: Arc::new(Semaphore::new(config.max_clients.clamp(1, Semaphore::MAX_PERMITS))),
            config: Arc::new(config),
            tasks: TaskTracker::new(),
        };
        let writer = Writer { role: Role::Leading, file: file.map(Arc::new) };
        let proxy = Arc::new(Self {
            runtime: runtime.clone(),
            shared,
            book: Mutex::default(),
            served: Mutex::default(),
            writer: tokio::sync::Mutex::new(writer),
        });
        tokio::spawn(sweep(Arc::downgrade(&proxy)));
        drop(entered);
        proxy
    }

    /// Makes it so. Once begun it goes on even if the caller does not wait.
    pub(crate) async fn apply(self: &Arc<Self>, routes: Routes) -> Result<()> {
        let proxy = Arc::clone(self);
        self.whole(async move { proxy.apply_here(routes, Role::Leading).await }).await
    }

    /// Does what the successor was told.
    pub(crate) async fn follow(self: &Arc<Self>, routes: Routes) -> Result<()> {
        let proxy = Arc::clone(self);
        self.whole(async move { proxy.apply_here(routes, Role::Following).await }).await
    }

    async fn apply_here(&self, routes: Routes, role: Role) -> Result<()> {
        let writer = self.writer.lock().await;
        writer.expect(role)?;
        let mut book = self.book();
        book.check(&routes.track, routes.token)?;
        let page = book.page_mut(&routes.track);
        if page.token == routes.token && page.routes.as_ref() == Some(&routes) {
            return Ok(());
        }
        page.token = routes.token;
        page.routes = Some(routes.clone());
        let salt = page.salt.clone();
        let served = self.served(&routes.track);
        let prepared = served.track.prepare(&routes, &salt)?;
        let opened = if role == Role::Leading { self.open_ports(&mut book, &routes, &served)? } else { Vec::new() };
        writer.keep(&book).await?;
        let ports = book.page_mut(&routes.track).ports.clone();
        *lock(&self.book) = book;
        lock(&self.served).insert(routes.track.clone(), Arc::clone(&served));
        served.track.switch(prepared);
        if role == Role::Leading {
            served.set_ports(opened, &ports, &self.shared);
        }
        Ok(())
    }

    fn served(&self, track: &TrackRef) -> Arc<Served> {
        lock(&self.served).get(track).map_or_else(|| Arc::new(Served::new(track, &self.shared.config)), Arc::clone)
    }

    /// Opens the ports that are not open yet, and writes down which ones there are then.
    fn open_ports(&self, book: &mut Book, routes: &Routes, served: &Served) -> Result<Vec<Port>> {
        let wanted = self.wanted_ports(book, routes)?;
        let open = served.port_numbers();
        let missing = wanted.iter().filter(|port| !open.contains(port));
        let bind = |port: &u16| Port::bind(self.shared.config.bind, *port, &routes.track);
        let opened = missing.map(bind).collect::<Result<Vec<_>>>()?;
        let mut new = opened.iter().map(|port| port.address().port());
        let number = |port: u16| if open.contains(&port) { port } else { new.next().unwrap_or(port) };
        book.page_mut(&routes.track).ports = wanted.into_iter().map(number).collect();
        Ok(opened)
    }

    /// Whether a workload's ports are its own already, or free: tried by opening them for a moment.
    pub(crate) fn can_listen(&self, track: &TrackRef, ports: &[u16]) -> Result<()> {
        let open = self.served(track).port_numbers();
        for port in ports.iter().filter(|port| !open.contains(port)) {
            if let Some(holder) = lock(&self.book).holder(*port, track) {
                return Err(Error::invalid(format!("port {port} is that of {holder}")).with("track", track));
            }
            Port::bind(self.shared.config.bind, *port, track)?;
        }
        Ok(())
    }

    fn wanted_ports(&self, book: &Book, routes: &Routes) -> Result<Vec<u16>> {
        let known = book.page(&routes.track).map_or(&[][..], |page| &page.ports);
        if routes.ports.is_empty() {
            return Ok(if known.is_empty() { vec![self.shared.config.default_port] } else { known.to_vec() });
        }
        for (at, port) in routes.ports.iter().enumerate() {
            if routes.ports[..at].contains(port) {
                return Err(Error::invalid(format!("port {port} is named twice")).with("track", &routes.track));
            }
            if let Some(holder) = book.holder(*port, &routes.track) {
                return Err(Error::invalid(format!("port {port} is that of {holder}")).with("track", &routes.track));
            }
        }
        Ok(routes.ports.clone())
    }

    /// What it does now.
    pub(crate) fn observe(&self, track: &TrackRef) -> RouteState {
        let mut state = RouteState::empty(Evidence::DataPlane);
        let book = lock(&self.book);
        if let Some(page) = book.page(track) {
            state.token = page.token;
            state.spread = page.routes.as_ref().map(|routes| routes.spread.clone()).unwrap_or_default();
        }
        if let Some(served) = lock(&self.served).get(track) {
            state.members = served.track.routed();
        }
        state
    }

    /// Raises the token, and returns the newest.
    pub(crate) async fn fence(self: &Arc<Self>, track: TrackRef, token: Token) -> Result<Token> {
        let proxy = Arc::clone(self);
        self.whole(async move {
            let writer = proxy.writer.lock().await;
            writer.expect(Role::Leading)?;
            let mut book = proxy.book();
            let page = book.page_mut(&track);
            if page.token >= token {
                return Ok(page.token);
            }
            page.token = token;
            writer.keep(&book).await?;
            *lock(&proxy.book) = book;
            Ok(token)
        })
        .await
    }

    /// Forgets a workload, but for its token.
    pub(crate) async fn remove(self: &Arc<Self>, track: TrackRef, token: Token, role: Role) -> Result<()> {
        let proxy = Arc::clone(self);
        self.whole(async move {
            let writer = proxy.writer.lock().await;
            writer.expect(role)?;
            let mut book = proxy.book();
            book.check(&track, token)?;
            if book.page(&track).is_none() {
                return Ok(());
            }
            let page = book.page_mut(&track);
            (page.token, page.routes, page.ports) = (token, None, Vec::new());
            writer.keep(&book).await?;
            *lock(&proxy.book) = book;
            if let Some(served) = lock(&proxy.served).remove(&track) {
                served.track.close(&proxy.shared.config);
                served.leave(proxy.shared.config.idle_grace);
            }
            Ok(())
        })
        .await
    }

    /// What was measured of a side since a time.
    pub(crate) fn figures(&self, track: &TrackRef, side: &Side, since: Timestamp) -> Result<Option<Figures>> {
        let served = lock(&self.served).get(track).map(Arc::clone);
        let Some(meter) = served.and_then(|served| served.track.measured(side)) else { return Ok(None) };
        meter.figures(time::between(since, Timestamp::now())).map(Some)
    }

    /// Where a workload is listened for.
    pub(crate) fn addresses(&self, track: &TrackRef) -> Vec<SocketAddr> {
        let served = lock(&self.served).get(track).map(Arc::clone);
        served.map(|served| served.addresses()).unwrap_or_default()
    }

    /// Does again what was told before a restart: every instance is tried before it is used.
    pub(crate) async fn restore(self: &Arc<Self>, book: Book) -> Result<()> {
        let mut waiting = Vec::new();
        for (page, routes) in book.routes() {
            let served = self.serve_again(routes, &page.salt)?;
            let bind = |port: &u16| Port::bind(self.shared.config.bind, *port, &routes.track);
            let ports = page.ports.iter().map(bind).collect::<Result<Vec<_>>>()?;
            waiting.push((served, ports, page.ports.clone()));
        }
        *lock(&self.book) = book;
        let opening = waiting.into_iter().map(|(served, ports, numbers)| async move {
            self.prove(served.track.instances()).await;
            served.set_ports(ports, &numbers, &self.shared);
        });
        futures::future::join_all(opening).await;
        Ok(())
    }

    /// Goes on with what another proxy did until now, on its ports.
    pub(crate) fn inherit(&self, book: Book, mut ports: HashMap<u16, std::net::TcpListener>) -> Result<()> {
        for (page, routes) in book.routes() {
            let served = self.serve_again(routes, &page.salt)?;
            let take = |port: &u16| match ports.remove(port) {
                Some(listener) => Port::adopt(listener),
                None => Port::bind(self.shared.config.bind, *port, &routes.track),
            };
            let taken = page.ports.iter().map(take).collect::<Result<Vec<_>>>()?;
            served.set_ports(taken, &page.ports, &self.shared);
        }
        *lock(&self.book) = book;
        Ok(())
    }

    fn serve_again(&self, routes: &Routes, salt: &str) -> Result<Arc<Served>> {
        let served = self.served(&routes.track);
        served.track.switch(served.track.prepare(routes, salt)?);
        lock(&self.served).insert(routes.track.clone(), Arc::clone(&served));
        Ok(served)
    }

    /// Returns when one of the instances was connected to, or after a second; the others are tried in the background.
    async fn prove(&self, instances: Vec<Arc<Upstream>>) {
        let config = &self.shared.config;
        for instance in &instances {
            instance.set_down(config.connect_timeout * 2);
        }
        let trials: Vec<_> =
            instances.into_iter().map(|instance| tokio::spawn(try_out(instance, config.clone()))).collect();
        let trials: Vec<_> =
            trials.into_iter().map(|trial| Box::pin(async { trial.await.ok().flatten().ok_or(()) })).collect();
        if !trials.is_empty() {
            let _ = tokio::time::timeout(FIRST_ANSWER, futures::future::select_ok(trials)).await;
        }
    }

    /// Lets nothing change any more, and returns what is told and the ports.
    pub(crate) async fn begin_yielding(&self) -> Result<(Book, Vec<Arc<tokio::net::TcpListener>>)> {
        let mut writer = self.writer.lock().await;
        writer.expect(Role::Leading)?;
        writer.role = Role::Yielding;
        if let Some(file) = &writer.file {
            file.release();
        }
        let served: Vec<_> = lock(&self.served).values().map(Arc::clone).collect();
        Ok((self.book(), served.iter().flat_map(|served| served.listeners()).collect()))
    }

    /// Goes on: whoever wanted to replace it did not.
    pub(crate) async fn stop_yielding(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        if let Some(file) = &writer.file {
            file.acquire()?;
        }
        writer.role = Role::Leading;
        Ok(())
    }

    /// Accepts nobody any more; follows its successor until the last request is answered.
    pub(crate) async fn step_down(&self) {
        let mut writer = self.writer.lock().await;
        writer.role = Role::Following;
        writer.file = None;
        self.leave(self.shared.config.idle_grace);
    }

    /// Accepts nobody any more. A connection is closed after its next answer, or after a grace when it is idle.
    pub(crate) fn leave(&self, grace: Duration) {
        let _entered = self.runtime.enter();
        let served: Vec<_> = lock(&self.served).values().map(Arc::clone).collect();
        for served in served {
            served.leave(grace);
        }
        self.shared.tasks.close();
    }

    /// Refuses to speak where it has another role.
    pub(crate) async fn expect(&self, role: Role) -> Result<()> {
        self.writer.lock().await.expect(role)
    }

    /// Returns when the last connection has ended, or after a time.
    pub(crate) async fn ended(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.shared.tasks.wait()).await;
    }

    /// Runs to its end even if nobody waits, on the proxy's own runtime.
    async fn whole<T: Send + 'static>(&self, act: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.runtime.spawn(act).await.map_err(broken)?
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    fn book(&self) -> Book {
        lock(&self.book).clone()
    }
}

impl Writer {
    fn expect(&self, role: Role) -> Result<()> {
        if self.role == role {
            return Ok(());
        }
        Err(replaced())
    }

    /// Keeps the book, durably where there is a file.
    async fn keep(&self, book: &Book) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let (file, book) = (Arc::clone(file), book.clone());
        tokio::task::spawn_blocking(move || file.write(&book)).await.map_err(broken)?
    }
}

/// What a proxy says that is not the one to ask.
pub(crate) fn replaced() -> Error {
    Error::new(Kind::Unavailable, "this proxy is being replaced by another; ask again").with("replaced", true)
}

fn broken(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Unclassified, "the proxy broke off while it changed its routes").from_source(error)
}

/// Puts an instance into use if it can be connected to.
async fn try_out(instance: Arc<Upstream>, config: Arc<Config>) -> Option<()> {
    let connected = pool::connect(&instance.address, config.connect_timeout).await.is_ok();
    if connected {
        instance.set_up();
    } else {
        instance.set_down(config.out_of_use);
    }
    connected.then_some(())
}

async fn sweep(proxy: Weak<Proxy>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(proxy) = proxy.upgrade() else { return };
        let served: Vec<_> = lock(&proxy.served).values().map(Arc::clone).collect();
        for instance in served.iter().flat_map(|served| served.track.instances()) {
            instance.pool.sweep(proxy.shared.config.upstream_idle);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
