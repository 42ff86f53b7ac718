//! A small web application to deploy, for examples and live tests.
//!
//! A program that starts itself again calls [`run_from_env`] in that role; a test in one process starts an [`App`].
//!
//! | endpoint | answer |
//! |---|---|
//! | `/` | 200, `version v1` |
//! | `/slow` | the same after 2 s |
//! | `/healthz` | 200, `ok`; 500 when unhealthy |
//! | `/ws` | a WebSocket that echoes |
//! | `/call?port=N` | 200 with the version of the service on that port of 127.0.0.1, asked once on a new connection; else 502, with that version if it answered at all |
//! | `/burn?ms=N` | 200 after that much work of one core, 10 s at most |
//!
//! Every response bears the version in the header `x-app-version`, and the side, where it is told, in `x-app-side`. HTTP/1.1, and HTTP/2 with prior knowledge.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PORT` | where to listen on 127.0.0.1; 0 lets the system choose | required |
//! | `APP_VERSION` | the version | `unknown` |
//! | `APP_SIDE` | the side | none |
//! | `APP_START_DELAY_MS` | listens that late | 0 |
//! | `APP_HEALTHY` | `false`: `/healthz` always answers 500 | `true` |
//! | `APP_ERROR_PERCENT` | this share of the requests other than `/healthz` and `/ws` answers 500, evenly spread | 0 |
//! | `APP_CRASH_AFTER_MS` | ends with code 3 after that; 0 at once, with a message | never |
//! | `APP_GRACE_MS` | how long the end may take | 10000 |
//! | `APP_TASK` | runs as the task of that name instead, prints and ends | none |
//! | `APP_TASK_MS` | how long the task takes | 0 |
//! | `APP_TASK_FAIL` | `1`: the task ends with code 1 | `0` |
//! | `APP_TASK_LOG` | the file to which the task appends `name pid time` when it starts | none |
//!
//! # The end
//! On SIGTERM (or SIGINT) it accepts no new connections, closes the idle ones (one without
//! any request yet after 500 ms), finishes the requests in flight, sends
//! the WebSockets a close frame 1001, and ends with code 0; with code 4 when that takes longer than the grace.

mod answer;
mod run;
mod server;
mod settings;
mod socket;
mod task;

pub use run::run_from_env;
pub use server::App;
pub use settings::{Settings, Task};
