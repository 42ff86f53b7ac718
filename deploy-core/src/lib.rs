//! The model, the traits and the state machine of a deployment.

mod capabilities;
mod error;
mod metrics;
mod name;
mod router;
mod routes;
mod share;
mod side;
pub mod time;
mod token;
mod traffic;

pub use capabilities::{Capabilities, Fence, Places, Prober};
pub use error::{Disposition, Error, Kind, Result};
pub use metrics::{Figures, MetricSource, Sample};
pub use name::{DeploymentId, InstanceId, Name, ReleaseId, RevisionId, Scope, SlotId, TrackRef};
pub use router::{Router, RouterCapabilities};
pub use routes::{Member, RouteState, Routed, Routes, Spread};
pub use share::{Amount, Share};
pub use side::{Place, Side};
pub use time::Timestamp;
pub use token::Token;
pub use traffic::{Evidence, Match, Split, Sticky, Traffic};
