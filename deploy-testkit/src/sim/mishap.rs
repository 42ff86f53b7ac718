//! What befalls what serves.

use super::run::Run;
use super::scenario;
use super::script::Mishap;
use deploy_core::Timestamp;
use deploy_core::time::after;

impl Run {
    /// Lets befall what is due by then.
    pub(super) fn mishaps_until(&mut self, to: Timestamp) {
        while let Some(index) = self.mishaps.iter().position(|(at, _)| *at <= to) {
            let (at, mishap) = self.mishaps.swap_remove(index);
            self.world.advance(at.max(self.world.now));
            self.befall(mishap);
        }
    }

    fn befall(&mut self, mishap: Mishap) {
        let now = self.world.now;
        let Some(site) = scenario::track("web").ok().and_then(|track| self.world.sites.get_mut(&track)) else { return };
        let running: Vec<_> = site.units.iter().enumerate().filter(|(_, unit)| unit.runs()).collect();
        let Some((first, unit)) = self.dice.pick(&running).copied() else { return };
        let side = unit.side.clone();
        for (index, unit) in site.units.iter_mut().enumerate().filter(|(_, unit)| unit.runs() && unit.side == side) {
            match mishap {
                Mishap::CrashOne if index == first => unit.crash_at = Some(now),
                Mishap::SickenOne(span) if index == first => unit.sick = Some((now, after(now, span))),
                Mishap::CrashSide => unit.crash_at = Some(now),
                Mishap::SickenSide(span) => unit.sick = Some((now, after(now, span))),
                _ => {}
            }
        }
        site.age(now);
        if let Some(control) = &mut site.control {
            control.wake(now);
        }
        self.note(&format!("mishap: {mishap:?} of {side}"));
    }
}
