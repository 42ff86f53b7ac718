//! What happens to a deployment from outside.

use super::shell::Outside;
use deploy_core::Ask;
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
    /// What is done once when `web` has reached a stage, those after the commit counted on.
    pub disturb: Option<(usize, Disturb)>,
}

/// What is done to a deployment at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disturb {
    /// The engine is killed; another goes on a while later.
    Kill,
    /// The engine is killed and lives again at once.
    Restart,
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
