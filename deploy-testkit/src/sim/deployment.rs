//! A deployment under way, as a run knows it.

use super::scenario;
use super::script::Script;
use super::shell::Shell;
use deploy_core::time::after;
use deploy_core::{Event, Point, Record, Timestamp, TrackRef, Way};
use std::collections::BTreeSet;

/// A deployment under way.
#[derive(Debug)]
pub(super) struct Deployment {
    pub record: Record,
    pub events: Vec<Event>,
    pub tracks: BTreeSet<TrackRef>,
    pub kills: u32,
    /// How many of the script's asks were made.
    pub asked: usize,
    /// How many of the script's rivals came.
    pub rivals: usize,
    pub shell: Option<Shell>,
}

impl Deployment {
    pub(super) fn new(record: Record, events: Vec<Event>) -> Self {
        Self { record, events, tracks: BTreeSet::new(), kills: 0, asked: 0, rivals: 0, shell: None }
    }

    /// Whether `web` has reached a stage, those after the commit counted on.
    pub(super) fn is_at(&self, at: usize) -> bool {
        let Some((planned, state)) = scenario::track("web").ok().and_then(|track| self.record.track(&track)) else {
            return false;
        };
        let begun = state.point > Point::Before(0) && state.point < Point::Done;
        let stage = match self.record.way {
            Way::Forward { .. } => state.stage,
            Way::After { .. } => planned.before.len() + state.stage,
            _ => return false,
        };
        begun && stage == at
    }

    /// When the next ask or rival of the script comes.
    pub(super) fn next_from_outside(&self, script: &Script, now: Timestamp) -> Option<Timestamp> {
        let ask = script.asks.get(self.asked).map(|(span, _)| *span);
        let rival = script.rivals.get(self.rivals).map(|rival| rival.after);
        let at = |span| after(self.record.created, span);
        ask.into_iter().chain(rival).map(at).filter(|at| *at > now).min()
    }
}
