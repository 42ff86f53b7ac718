//! Routers for docker and plain hosts; the embedded reverse proxy.
//!
//! The proxy speaks HTTP/1.0, HTTP/1.1 and HTTP/2 (in clear text, by prior knowledge) with clients, and HTTP/1.1 with
//! instances. It runs in the engine's process ([`EmbeddedProxy`]), for development, or as a process of its own that
//! survives the engine: the program `deploy-proxy`, or any that calls [`run_proxy`]; [`ProxyProcess`] starts it and
//! [`ProxyClient`] speaks with it. Each is a [`Router`](deploy_core::Router) and a
//! [`MetricSource`](deploy_core::MetricSource).
//!
//! ```no_run
//! # async fn started() -> deploy_core::Result<()> {
//! use deploy_traffic::{ProxyProcess, ProxySettings};
//!
//! let settings = ProxySettings::new("/run/deploy/proxy.sock", "/var/lib/deploy/proxy.json");
//! let proxy = ProxyProcess::new("deploy-proxy", settings).ensure().await?; // finds the one that runs, or starts it
//! # drop(proxy);
//! # Ok(())
//! # }
//! ```
//!
//! Build the program with `cargo build --profile dist -p deploy-traffic`.
//!
//! # One request's way
//!
//! ```text
//!  client ──► port ──► headers ─────► rules ─────► table ────────────► instance ──► client
//!             of the   hop by hop     matches,     ┌── one lock ──┐    pooled       body
//!             workload removed,       sticky       │ side by share│    connection,  streamed;
//!                      client named   cookie       │ least busy   │    or a new     at its end
//!                                     (no lock)    │ in flight +1 │    one          in flight -1
//!                                                  └──────────────┘     │
//!                                                         ▲             │ no byte sent:
//!                                                         └─────────────┘ another instance
//! ```
//!
//! An instance is chosen and the request counted under the lock that a switch takes too. So when `apply` has returned, no
//! request newly reaches an instance that is draining or not listed, and a count of 0 in flight stays 0.
//!
//! # Who gets it
//!
//! * **Share**: exact. Of any number of requests in a row that nothing else decides, the candidate gets its share, at most one
//!   off, in steps of a hundredth of a percent. A share that is told again goes on where it was; another begins anew.
//! * **Matches**: a header or a cookie of an exact value leads to the candidate.
//! * **Sticky**: the cookie's value gives a client a position between 0 and 9,999 for good (by SHA-256 with a salt of the
//!   workload's own, which is kept over restarts). The candidate has those below its share, so who has seen it stays on it as
//!   the share grows. A client without a cookie is given one; the share is then one of clients, and not exact by request.
//! * **Mirror**: copies of a share of the requests that stable gets, with `x-deploy-mirror: true`, through a bounded queue.
//!   What does not fit is dropped, as is a body beyond [`Config::mirror_body`]. Answers are thrown away; they count among the
//!   candidate's figures (`mirrored` says how many), and never as in flight.
//! * Within a side (under `Pooled` among all): the least busy instance, or in turn ([`Choice`]).
//!
//! # When something fails
//!
//! | | |
//! |---|---|
//! | An instance cannot be connected to | It is out of use for [`Config::out_of_use`], then tried once. The request goes to another instance of its side, under `Pooled` to any other |
//! | An idle connection turns out to be closed, no byte of the request was sent | It goes out again on a new connection |
//! | The same, but the request was sent | It goes out again once if its method is idempotent, it has no body, asks for no upgrade, and no answer was read. Else 502 `no-answer` |
//! | A connection ends before an answer otherwise | 502 `no-answer` |
//! | No head of an answer within [`Config::response_timeout`] of the last progress of the request | 504 `timeout` |
//! | Every instance of the side was tried | 503 `unreachable` |
//! | The side has no instance in use | 503 `no-instance` |
//! | Nobody is to be served (`Spread::None`) | 503 `closed` |
//! | The request cannot be passed on | 400 `host`, 405 `connect`, 502 `upgrade` |
//!
//! Answers of the proxy's own bear the reason in `x-deploy-proxy`, and each 503 `retry-after: 1`. A request that could be read
//! in two ways (lengths that differ, chunks that are not last) is refused with 400; a length beside chunks is dropped.
//!
//! # Connections
//!
//! A switch closes no client's connection. An upgraded one (WebSocket) counts as in flight until its instance ends it; it is
//! left alone while the instance drains. Instances that are dropped finish what they have. Where a port goes, or the proxy is
//! replaced or stopped, each HTTP/1 connection is closed by its next answer (`connection: close`), HTTP/2 by GOAWAY, and what
//! stays idle after a grace.
//!
//! A client that asks nothing for [`Config::client_idle`], or takes longer than [`Config::header_timeout`] over the head of a
//! request, is hung up on (HTTP/2: told to go away). Beyond [`Config::max_clients`] nobody is accepted until somebody leaves:
//! who comes waits in the system's queue.
//!
//! # A process of its own
//!
//! State is written (to a new file, flushed, renamed, the folder flushed) before it is acknowledged. After a restart every
//! instance is connected to before it is used; ports open as soon as one answered, or after a second. A state file that cannot
//! be read is told and left as it is. A newer program takes over with `--takeover`: it gets the open ports from the old process,
//! which then follows what the new one is told, and counts for it, until its last request is answered.
//!
//! What it does not do: TLS, HTTP/2 to instances (so no gRPC), WebSocket over HTTP/2, PROXY protocol, limits of rate or
//! size, a timeout of clients that do not read their answers. It belongs behind something that faces strangers.

mod body;
mod book;
mod config;
mod control;
mod divider;
mod embedded;
mod exchange;
mod headers;
mod listen;
mod metrics;
mod mirror;
mod pool;
mod presence;
mod process;
mod proxy;
mod rules;
mod serve;
mod served;
mod spawn;
mod state;
mod sticky;
mod table;
mod track;
mod upgrade;
mod upstream;

pub use config::{Choice, Config};
pub use control::client::ProxyClient;
pub use embedded::EmbeddedProxy;
pub use process::{ProxySettings, run_proxy};
pub use spawn::ProxyProcess;
