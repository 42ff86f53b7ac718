//! The model, the traits and the state machine of a deployment. No runtime, no I/O, no clock of its own.
//!
//! # The words
//!
//! A [`Spec`] says what an application is: its workloads, and the environments that bind them to targets. A [`Release`] is
//! a spec that does not change any more; its id is a digest of its content. What the instances of one workload are made
//! from is a [`Revision`]: a release that changes one of ten workloads moves one.
//!
//! To bring a release to an environment is a deployment. Each workload on its target is a track ([`TrackRef`]). What serves
//! there is **stable**, what is brought in the **candidate**; each is a [`Side`]. A [`Strategy`] lays out [`Stages`]; the
//! [`planner`] makes a [`Plan`] of them, adds what no strategy has to know (the first deployment, removal, what was left by
//! others, names that have to come home), and [verifies](Plan::verify) it. A stage is a [`Step`] (how many of each side, where
//! requests go, within which [`Budget`], until when), what it [`Holds`] before the next, and its way [`Back`].
//!
//! A [`Deployer`] is never told a step. Core [divides](divide) it into at most three [`Order`]s, counts or traffic, never both:
//! grow, shift, shrink. An order is settled when the platform is seen to be so.
//!
//! # A plan is data
//!
//! Everything here is a function of what is handed in:
//!
//! ```
//! use deploy_core::planner::{self, Known, Planning};
//! use deploy_core::*;
//! use std::sync::Arc;
//!
//! /// Half of it beside stable with half of the requests, then all.
//! #[derive(Debug)]
//! struct HalfThenAll;
//!
//! impl Strategy for HalfThenAll {
//!     fn plan(&self, change: &Change<'_>) -> Result<Stages> {
//!         let all = change.count();
//!         Ok(Stages::new()
//!             .then(Step::to(Desired::both(all, all.half()).split(Split::percent(50))).named("half"))
//!             .then(Step::to(Desired::both(all, all).split(Split::candidate())).named("all"))
//!             .after_commit(Step::to(Desired::candidate(all)).named("stable goes")))
//!     }
//! }
//!
//! /// The only strategy there is.
//! #[derive(Debug)]
//! struct Only;
//!
//! impl Strategies for Only {
//!     fn get(&self, _named: &StrategyRef) -> Result<Arc<dyn Strategy>> {
//!         Ok(Arc::new(HalfThenAll))
//!     }
//! }
//!
//! fn release(version: &str) -> Result<Release> {
//!     let mut web = Workload::new(Source::Image(format!("registry.example/web:{version}")));
//!     web.replicas = 4;
//!     web.ports.insert("http".parse()?, 8080);
//!     let spec = Spec::new("shop".parse()?).version(version).workload("web".parse()?, web);
//!     let spec = spec.strategy(StrategyRef::named("half_then_all"));
//!     Release::new(spec.environment("production".parse()?, "here".parse()?))
//! }
//!
//! # fn main() -> Result<()> {
//! let (one, two, production) = (release("1.0")?, release("2.0")?, "production".parse()?);
//! let track: TrackRef = "shop/production/web@here".parse()?;
//!
//! // What a platform would show: four instances of 1.0 that get all requests.
//! let stable = Side::home(one.resolve(&production, &track.workload)?.revision.id);
//! let spread = Spread::Split { from: None, to: Some(stable.clone()), split: Split::candidate() };
//! let observed = Observed {
//!     sides: [(stable, Running::Counts(Counts::steady(4)))].into(),
//!     traffic: Some(TrafficSeen { spread, evidence: Evidence::DataPlane, drained: true }),
//!     ..Observed::default()
//! };
//!
//! let mut known = Known::default();
//! known.add(&one, &production)?;
//! let plan = planner::plan(&Planning {
//!     release: &two,
//!     environment: &production,
//!     strategies: &Only,
//!     platforms: [(track.clone(), (Capabilities::all(), observed))].into(),
//!     known: &known,
//!     now: Timestamp::UNIX_EPOCH,
//! })?;
//! println!("{plan}");
//! assert_eq!(plan.tracks[&track].before.len(), 2);
//! # let table = plan.to_string();
//! # for (column, word) in [("stage", "1 half"), ("traffic", "50%"), ("commit", "── commit"), ("back", "stable 100%, all of it")] {
//! #     assert!(table.contains(word), "{column}: {table}");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! It prints:
//!
//! ```text
//! shop 2.0 -> production · made from what ran at 00:00:00Z · release a521b75f9c346185
//!
//! web on here · half_then_all  stable  candidate  traffic  ready  known by    holds    until  way back
//!   1 half               4       2          50%      4..7   data plane  healthy  +10m   stable 100%, all of it
//!   2 all                4       4          100%     4..9   data plane  healthy  +10m   stable 100%, all of it
//! ── commit: all workloads together ──
//!   3 stable goes        0       4          100%     4..5   data plane  healthy  +10m   a new deployment
//!
//! the whole way takes at most 30m, the way back 20m
//! ```
//!
//! # The traits
//!
//! | trait | who writes it | what it does |
//! |---|---|---|
//! | [`Strategy`] | who wants another way from here to there | from what runs to stages; pure |
//! | [`Deployer`] | a platform with a controller of its own | observes, and takes steps toward one order |
//! | [`Instances`] | a platform that starts single instances | lists, launches, stops; `deploy-fleet` makes a deployer of it |
//! | [`Router`] | what sends requests to such instances | takes the whole wanted state, says what it does now |
//! | [`HealthCheck`] | another way to ask | well, not well, or an error: the check broke |
//! | [`Judge`] | who looks at figures | folds samples to pass, fail or unproven; pure |
//! | [`MetricSource`] | who has figures | of a side, since a time |
//! | [`Gate`] | who decides from outside | open, closed, or waiting |
//! | [`Notifier`] | who wants to be told | every event |
//! | [`Store`] | who keeps records | compare-and-append under a lease; [`Memory`] is one |
//!
//! # The machine
//!
//! [`machine::reconcile`] is all of the rest: from the [`Record`] of a deployment, what is [seen](machine::Seen) and the time
//! to the [events](What) that happened and the [effects](machine::Effect) that are due. The record is the fold of its
//! events. A shell around it appends the events first and does the effects then; every effect may be done again. So a shell
//! that is killed at any point is replaced by another one that has nothing but the record. `deploy-engine` is that shell.
//!
//! # What is promised
//!
//! On every platform, within what its [`Capabilities`] say:
//!
//! * No move takes ready instances below a step's floor, or standing ones above its ceiling. Both are printed in the plan.
//! * No request is newly sent to who is not healthy. Who goes is taken out of the router, seen to be out, drained, stopped.
//! * A share of the requests grows only over enough ready instances of its side.
//! * Each deployment ends: every wait has a deadline. After a failure the earlier release serves everything again, or the
//!   status is `failed` and says what is where.
//! * What could not be told is taken neither for good nor for bad.
//! * What a platform cannot do is refused when the plan is made; what it cannot prove is printed as such.
//!
//! The whole list, with where each is kept, stands in the project's `docs/ARCHITECTURE.md`.

mod actor;
mod budget;
mod capabilities;
mod count;
mod deployer;
mod digest;
mod error;
mod event;
mod fold;
mod gate;
mod health;
mod in_order;
mod instances;
mod judge;
mod lease;
pub mod machine;
mod memory;
mod metrics;
mod name;
mod notify;
mod observed;
mod order;
mod orders;
mod picture;
mod plan;
pub mod planner;
mod probe;
mod record;
mod release;
mod request;
mod router;
mod routes;
mod secret;
mod share;
mod side;
mod spec;
mod stage;
mod store;
mod strategy;
mod task;
pub mod time;
mod token;
mod traffic;
mod validate;
mod verify;
mod waiting;
mod workload;

pub use actor::{Actor, Ask, Signal};
pub use budget::Budget;
pub use capabilities::{Capabilities, Fence, Places, Prober};
pub use count::Count;
pub use deployer::Deployer;
pub use digest::{DirectoryDigest, hexadecimal};
pub use error::{Disposition, Error, Kind, Result};
pub use event::{Event, What};
pub use gate::{Decision, Gate, GateAsk, GateSpec};
pub use health::{Folded, Health, HealthCheck, ProbeTarget};
pub use in_order::InOrder;
pub use instances::{Instances, InstancesCapabilities, Launch, Slot};
pub use judge::{Judge, JudgeSpec, JudgeState, Verdict};
pub use lease::{Held, Lease};
pub use memory::{Clock, Memory};
pub use metrics::{Figures, MetricSource, Sample};
pub use name::{DeploymentId, InstanceId, Name, ReleaseId, RevisionId, Scope, SlotId, TrackRef};
pub use notify::Notifier;
pub use observed::{Condition, ConditionKind, Counts, Exit, Instance, InstanceState, Observed, Running, TrafficSeen};
pub use order::{Order, OrderKind, OrderSide, Trouble, Turn};
pub use orders::{Bounds, Frame, OrderLine, OrderNow, Standing, Taken, bounds, divide, need};
pub use plan::{MadeFrom, Party, Plan, PlanStage, Track};
pub use probe::{Check, CommandCheck, GrpcCheck, HttpCheck, Probe, TcpCheck, Timing};
pub use record::{Crash, GateState, Grip, Judged, Pause, Point, Record, Status, TaskState, TrackState, Way};
pub use release::{Release, Resolved, Revision};
pub use request::{OnBusy, OnFailure, Request};
pub use router::{Router, RouterCapabilities};
pub use routes::{Member, RouteState, Routed, Routes, Spread};
pub use secret::SecretRef;
pub use share::{Amount, Share};
pub use side::{Place, Side};
pub use spec::{Environment, HomePolicy, Overlay, Spec};
pub use stage::{Back, Desired, Holds, OnDeadline, Stage, Stages, Step};
pub use store::{Creation, Filter, Store, Summary};
pub use strategy::{Change, Strategies, Strategy};
pub use task::{Task, TaskAct, TaskKind, TaskOutcome, TaskRun, Undo, Whose};
pub use time::Timestamp;
pub use token::Token;
pub use traffic::{Evidence, Match, Split, Sticky, Traffic};
pub use waiting::Waiting;
pub use workload::{FileSource, InstanceSpec, Resources, Source, StrategyRef, Workload, WorkloadKind, port_numbers};
