//! What happens to a deployment from outside.

use super::shell::Outside;
use deploy_core::{Ask, Request};
use std::time::Duration;

/// What happens to a deployment from outside.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What the outside says.
    pub outside: Outside,
    /// So many percent of the boundaries between an event and an effect, or two effects, kill the engine.
    pub kills: u32,
    /// No kill comes after so many.
    pub most_kills: u32,
    /// What is asked, and how long after the request.
    pub asks: Vec<(Duration, Ask)>,
    /// Other deployments that come while it runs, in the order they come.
    pub rivals: Vec<Rival>,
    /// What becomes of the hints to look again.
    pub hints: Hints,
    /// What is done once when `web` has reached a stage, those after the commit counted on.
    pub disturb: Option<(usize, Disturb)>,
}

/// Another deployment of the same application and environment.
#[derive(Debug, Clone)]
pub struct Rival {
    /// So long after the request of the one that runs.
    pub after: Duration,
    /// What it asks for.
    pub request: Request,
}

/// What becomes of the hints to look again. Nothing may depend on any of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hints {
    /// Each comes in time.
    #[default]
    Kept,
    /// None comes: the engine looks by its own deadlines, its probes, and once in 30 s.
    Lost,
    /// Each comes twice.
    Doubled,
}

/// What is done to a deployment at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disturb {
    /// The engine is killed; another goes on a while later.
    Kill,
    /// The engine gives its lease back and lives again at once.
    Restart,
    /// Another engine takes it over while calls of the first are under way.
    TakeOver,
    /// Most calls go wrong for a while.
    Errors,
    /// Instances take long to become well.
    Slow,
    /// A host, or where there are none the whole platform, cannot be reached for a while.
    Partition,
    /// Somebody asks for something.
    Ask(Ask),
}

/// Something that befalls what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// One instance ends by itself.
    CrashOne,
    /// One instance is not well for so long.
    SickenOne(Duration),
    /// All instances of one side are not well for so long.
    SickenSide(Duration),
    /// All instances of one side end by themselves.
    CrashSide,
}
