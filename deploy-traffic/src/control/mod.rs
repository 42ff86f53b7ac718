//! How a proxy that is a process of its own is told what to do.
//!
//! A Unix socket, readable by its owner alone. Each request is one line of JSON, each answer too, in the order of the
//! requests: `{"v":1,"ask":{"do":"observe","track":"shop/production/web@here"}}` is answered by `{"v":1,"ok":...}` or
//! `{"v":1,"error":{"kind":"fenced","message":"..."}}`. Another version is refused.
//!
//! A newer proxy takes over by `takeover`: the answer brings the routes as JSON and the open ports as file descriptors.
//! From then on the older one changes nothing more; on `taken` it stops accepting, and it follows what the newer one is told
//! on this same connection until its last request is answered. If the connection ends before `taken` it goes on.

pub(crate) mod client;
pub(crate) mod elder;
pub(crate) mod fds;
pub(crate) mod protocol;
pub(crate) mod server;
