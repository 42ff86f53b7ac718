//! What does not work on a platform: noted when it begins, changes and ends, and tried again for so long.

use super::look::{Look, Sight};
use crate::record::{Grip, Point};
use crate::{Disposition, Kind, Timestamp, Trouble, What, time};
use std::collections::BTreeMap;

impl Look<'_> {
    /// Troubles of platforms that could not be observed, or are not held yet.
    pub(super) fn unheld_troubles(&self) -> Vec<What> {
        self.all_sights().filter(|sight| !sight.is_observed()).find_map(Sight::trouble).into_iter().collect()
    }
}

impl Sight<'_> {
    /// The next trouble that began, changed or ended.
    pub(super) fn trouble(self) -> Option<What> {
        let now = self.troubles_now();
        let begun = now.values().find(|trouble| self.known_trouble(&trouble.at) != Some(trouble.kind));
        if let Some(trouble) = begun {
            return Some(What::TroubleBegan { track: self.name.clone(), trouble: trouble.clone() });
        }
        let ended = self.state.troubles.keys().find(|at| !now.contains_key(*at))?;
        Some(What::TroubleEnded { track: self.name.clone(), place: ended.clone() })
    }

    fn troubles_now(&self) -> BTreeMap<String, Trouble> {
        let places = self.seen.troubles.iter().cloned();
        let calls = self.seen.problems.iter().map(|(call, problem)| {
            let at = format!("{call:?}").to_lowercase();
            Trouble { at, kind: problem.kind, message: problem.message.clone() }
        });
        places.chain(calls).map(|trouble| (trouble.at.clone(), trouble)).collect()
    }

    fn known_trouble(&self, at: &str) -> Option<Kind> {
        self.state.troubles.get(at).map(|(_, trouble)| trouble.kind)
    }

    /// What is tried again is not tried for ever: a person is asked, and the candidate is not blamed.
    pub(super) fn tried_enough(&self) -> Vec<What> {
        let retry = self.record().request.retry;
        let over = |since: &Timestamp| self.look.now >= time::after(*since, retry);
        match self.held_up_by().find(|(since, _)| over(since)) {
            Some((_, trouble)) => {
                let why = format!("{}: {}; it was tried for {}", trouble.at, trouble.message, time::show(retry));
                self.fail(&why, Disposition::User)
            }
            None => Vec::new(),
        }
    }

    /// When what is tried again was tried long enough.
    pub(super) fn retry_wake(&self) -> Option<Timestamp> {
        self.held_up_by().map(|(since, _)| time::after(*since, self.record().request.retry)).min()
    }

    /// Troubles that may pass, while the stage under way is held up.
    fn held_up_by(&self) -> impl Iterator<Item = &(Timestamp, Trouble)> {
        let under_way = self.is_forward()
            && self.record().paused.is_none()
            && self.state.touched
            && self.state.grip == Grip::Held
            && self.state.point.is_under_way();
        let stands_still = under_way && !self.state.troubles.is_empty() && (self.awaits_task() || !self.is_settled());
        let retried = |(_, trouble): &&(Timestamp, Trouble)| trouble.disposition() == Disposition::Retry;
        self.state.troubles.values().filter(move |_| stands_still).filter(retried)
    }

    fn awaits_task(&self) -> bool {
        matches!(self.state.point, Point::Before(_) | Point::After(_)) && self.state.troubles.contains_key("task")
    }
}
