//! Bytes of a client and bytes of an instance through the proxy: whatever they are, what an instance gets are whole
//! requests that cannot be read in two ways, each of them the proxy's own.

use crate::upstream::{Upstream, read_until};
use crate::wire;
use deploy_core::{Member, Router as _, Routes, Side, Split, Spread, Token, TrackRef};
use deploy_traffic::{Config, EmbeddedProxy};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What parts the client's bytes from the instance's.
const PARTED: &[u8] = b"\n====\n";

/// What one hop says to the next, and is passed on to nobody.
const HOP_BY_HOP: [&str; 3] = ["keep-alive", "proxy-connection", "expect"];

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

/// Sends the first part as a client to a proxy, before an instance that answers with the second.
pub(crate) fn run(bytes: &[u8]) {
    let at = bytes.windows(PARTED.len()).position(|window| window == PARTED);
    let (client, instance) = at.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + PARTED.len()..]));
    watch_for_panics();
    let sent = BENCH.with_borrow(|bench| bench.pass(client, instance));
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a task of the proxy panicked");
    sent.iter().for_each(|connection| is_well_formed(connection));
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A runtime catches the panics of tasks.
fn watch_for_panics() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(panic);
        }));
    });
}

fn is_well_formed(sent: &[u8]) {
    let shown = String::from_utf8_lossy(sent);
    let requests = wire::requests(sent).unwrap_or_else(|why| panic!("an instance gets {why} in:\n{shown}"));
    for request in requests {
        // What was smuggled through as a part of another request has not been through the proxy.
        let last = request.one("x-forwarded-for").and_then(|hops| hops.rsplit(|byte| *byte == b',').next());
        assert_eq!(last.map(<[u8]>::trim_ascii), Some(&b"127.0.0.1"[..]), "`{}` in:\n{shown}", request.line);
        assert!(request.one("host").is_some(), "`{}` has not one host in:\n{shown}", request.line);
        for name in HOP_BY_HOP {
            assert!(request.all(name).is_empty(), "`{name}` is passed on in:\n{shown}");
        }
        let upgrades = request.all("upgrade").len() == 1;
        let connection = if upgrades { vec![&b"upgrade"[..]] } else { vec![] };
        assert_eq!(request.all("connection"), connection, "in:\n{shown}");
    }
}

/// A proxy and an instance behind it, in virtual time.
struct Bench {
    runtime: Runtime,
    upstream: Upstream,
    address: SocketAddr,
    _proxy: EmbeddedProxy,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let upstream = Upstream::default();
        let (proxy, address) = runtime.block_on(begin(upstream.clone()));
        Self { runtime, upstream, address, _proxy: proxy }
    }

    /// What the instance was sent.
    fn pass(&self, client: &[u8], instance: &[u8]) -> Vec<Vec<u8>> {
        self.upstream.answer(instance);
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(self.address).await.expect("the proxy listens");
            let _ = stream.write_all(client).await;
            let mut answer = Vec::new();
            read_until(&mut stream, &mut answer, b"").await;
            let _ = stream.shutdown().await;
            read_until(&mut stream, &mut answer, b"").await;
            drop(stream);
            // Whoever waits for more hears now that nothing comes.
            tokio::time::sleep(10 * crate::upstream::QUIET).await;
        });
        self.upstream.sent()
    }
}

async fn begin(upstream: Upstream) -> (EmbeddedProxy, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let instance = listener.local_addr().expect("its address");
    tokio::spawn(upstream.serve(listener));
    let track: TrackRef = "shop/production/web@here".parse().expect("a track");
    let side = Side::home("v1".into());
    let member = Member { instance: "web-1".into(), side: side.clone(), address: instance.to_string(), draining: None };
    let spread = Spread::Split { from: Some(side), to: None, split: Split::stable() };
    let routes = Routes { track: track.clone(), ports: vec![], token: Token::new(1, 1), spread, members: vec![member] };
    let mut config = Config::default();
    config.response_timeout = crate::upstream::QUIET / 2;
    let proxy = EmbeddedProxy::start(config).expect("a proxy");
    proxy.apply(&routes).await.expect("told");
    let address = proxy.addresses(&track).first().copied().expect("a port is open");
    (proxy, address)
}
