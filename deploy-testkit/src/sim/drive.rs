//! The engine's part of a run: look by look, with what disturbs it.

use super::check;
use super::deployment::Deployment;
use super::run::Run;
use super::script::{Disturb, Hints, Script};
use super::shell::{Around, Shell};
use deploy_core::machine::{Claim, Effect, Seen, reconcile};
use deploy_core::time::after;
use deploy_core::{Ask, Event, Prober, Result, Timestamp, What};
use std::time::Duration;

/// More looks than this are no end.
const MOST_LOOKS: u32 = 30_000;
/// An engine looks at least so often.
const AT_LEAST: Duration = Duration::from_secs(30);
/// So often an engine probes, whether or not anybody gives it a hint.
const PROBES: Duration = Duration::from_secs(10);

impl Run {
    pub(super) fn drive_to_the_end(&mut self, deployment: &mut Deployment, script: &Script) -> Result<()> {
        self.looks = 0;
        while !deployment.record.way.is_ended() {
            self.looks += 1;
            self.all_looks += 1;
            let now = self.world.now;
            if self.looks > MOST_LOOKS || check::is_too_late(deployment.record.created, &deployment.record, now) {
                let how = format!("it does not end: {} after {} looks", deployment.record.status(), self.looks);
                self.world.trail.broken(now, "G5", how);
                return Ok(());
            }
            self.let_people_ask(deployment, script)?;
            self.let_rivals_come(deployment, script)?;
            self.disturb(deployment, script)?;
            let next = self.step(deployment, script)?;
            self.stand_by()?;
            if !deployment.record.way.is_ended() {
                self.pass_to(next);
            }
        }
        Ok(())
    }

    fn let_people_ask(&mut self, deployment: &mut Deployment, script: &Script) -> Result<()> {
        let created = deployment.record.created;
        while let Some((_, ask)) =
            script.asks.get(deployment.asked).filter(|(span, _)| after(created, *span) <= self.world.now)
        {
            deployment.asked += 1;
            self.ask(deployment, ask)?;
        }
        Ok(())
    }

    fn ask(&self, deployment: &Deployment, ask: &Ask) -> Result<()> {
        self.ledger.signal(self.world.now, &deployment.record.id, ask, "somebody").map(drop)
    }

    /// Does what the script says at its stage, once.
    fn disturb(&mut self, deployment: &mut Deployment, script: &Script) -> Result<()> {
        let Some((at, disturb)) = script.disturb.as_ref().filter(|(at, _)| deployment.is_at(*at) && !self.disturbed)
        else {
            return Ok(());
        };
        self.disturbed = true;
        self.note(&format!("disturbed at stage {at}: {disturb:?}"));
        let now = self.world.now;
        let late = after(now, Duration::from_secs(30));
        match disturb {
            Disturb::Kill => {
                deployment.shell = None;
                self.kills += 1;
                self.pass(Duration::from_secs(30));
            }
            Disturb::Restart => {
                deployment.shell = None;
                self.ledger.release(now);
            }
            Disturb::TakeOver => self.take_over(deployment),
            Disturb::Errors => (self.world.faults.rate, self.world.faults.until) = (60, late),
            Disturb::Slow => self.world.start = (20_000, 40_000),
            Disturb::Partition if !self.world.profile.has_controller() => {
                let host = self.world.hosts.keys().next().cloned().unwrap_or_default();
                self.world.faults.cuts.push((host, now, late));
            }
            Disturb::Partition => self.world.faults.outages.push((now, late)),
            Disturb::Ask(ask) => self.ask(deployment, ask)?,
        }
        Ok(())
    }

    /// All that the engine is about to call is still under way when another one begins.
    fn take_over(&mut self, deployment: &mut Deployment) {
        let Some(mut shell) = deployment.shell.take() else { return };
        let seen = shell.look(&mut self.world, &deployment.record, &[]);
        let next = reconcile(&deployment.record, &seen, self.world.now);
        self.leave_behind(&deployment.record, &seen, &next.effects);
        self.pass_to(self.ledger.until());
    }

    /// One look, with all that follows from it; returns when the next is due.
    fn step(&mut self, deployment: &mut Deployment, script: &Script) -> Result<Timestamp> {
        let now = self.world.now;
        let Some(mut shell) = self.engine(deployment)? else { return Ok(self.ledger.until()) };
        let signals = self.ledger.signals(&deployment.record.id);
        let seen = shell.look(&mut self.world, &deployment.record, &signals);
        let next = reconcile(&deployment.record, &seen, now);
        if self.is_killed(deployment, script) {
            return Ok(self.gap(deployment, &seen, &[]));
        }
        let before = deployment.record.clone();
        self.append(deployment, now, next.events)?;
        check::look(self, &before, deployment, &seen, &next.effects, now);
        let mut busy = before.version != deployment.record.version;
        for (index, effect) in next.effects.iter().enumerate() {
            if self.is_killed(deployment, script) {
                return Ok(self.gap(deployment, &seen, &next.effects[index..]));
            }
            let around = Around { strategies: &self.strategies, known: &self.known, outside: &script.outside };
            match shell.perform(&mut self.world, &deployment.record, &seen, effect, &around) {
                Ok(news) => busy |= news,
                Err(error) => self.world.trail.broken(now, "G7", format!("the living engine was fenced: {error}")),
            }
        }
        let wake = next.effects.iter().find_map(|effect| match effect {
            Effect::Wake { at } => Some(*at),
            _ => None,
        });
        let own = [wake, shell.next_probe(now)].into_iter().flatten().filter(|at| *at > now).min();
        let late = self.world.now > now && script.hints != Hints::Lost;
        let at = self.next_look(deployment, script, own, busy || late);
        deployment.shell = Some(shell);
        Ok(at)
    }

    /// Events are written before anything is done.
    fn append(&mut self, deployment: &mut Deployment, now: Timestamp, events: Vec<What>) -> Result<()> {
        self.ledger.renew(now)?;
        if events.is_empty() {
            return Ok(());
        }
        let events = self.ledger.append(now, &deployment.record, self.ledger.epoch(), events)?;
        for event in events {
            self.happened(&event, deployment);
            deployment.record.apply(&event);
            deployment.events.push(event);
        }
        Ok(())
    }

    fn happened(&mut self, event: &Event, deployment: &Deployment) {
        self.note(&check::words(&event.what));
        check::event(self, event);
        match &event.what {
            What::Fenced { track } => drop(self.decided.insert(track.clone(), self.ledger.epoch())),
            What::Started { .. } => self.is_alone(&deployment.record.id),
            _ => {}
        }
    }

    /// When the next look is due, of its own accord or by a hint. What fell due during the calls of the last one is due.
    fn next_look(&mut self, deployment: &Deployment, script: &Script, own: Option<Timestamp>, busy: bool) -> Timestamp {
        let now = self.world.now;
        if busy {
            return after(now, self.dice.millis(5, 120));
        }
        if script.hints == Hints::Doubled && self.dice.chance(50) {
            return after(now, Duration::from_millis(1));
        }
        let hint = [self.world.next_change(), deployment.next_from_outside(script, now)];
        let hint = hint.into_iter().flatten().filter(|at| *at > now).min().filter(|_| script.hints != Hints::Lost);
        let probes = deployment.tracks.first().is_some_and(|track| {
            script.hints == Hints::Lost && self.world.capabilities(track).prober == Prober::Engine
        });
        let probe = probes.then(|| after(now, PROBES));
        let longest = after(now, AT_LEAST);
        let due = [own, probe, hint].into_iter().flatten().min();
        due.unwrap_or(longest).min(longest).max(after(now, Duration::from_millis(20)))
    }

    /// The engine that lives, or a new one; none while the lease of the last one lasts.
    fn engine(&mut self, deployment: &mut Deployment) -> Result<Option<Shell>> {
        if let Some(shell) = deployment.shell.take() {
            return Ok(Some(shell));
        }
        let now = self.world.now;
        if self.ledger.until() > now {
            return Ok(None);
        }
        self.engines += 1;
        let lease = self.ledger.claim(now, &deployment.record.scope, self.engines)?;
        let claim = Claim { epoch: lease.epoch, renewed_before: lease.renewed_before };
        self.note(&format!("engine {} lives", lease.epoch));
        self.lives_since = now;
        self.is_kept(deployment);
        Ok(Some(Shell::new(claim, &deployment.record, &deployment.tracks, now)))
    }

    /// G6, G10: what the next engine loads is what the last one had written.
    fn is_kept(&mut self, deployment: &Deployment) {
        let loaded = self.ledger.load(&deployment.record.id);
        if loaded.as_ref().ok() != Some(&deployment.record) {
            self.world.trail.broken(self.world.now, "G10", "the store has another record than was written");
        }
    }

    fn is_killed(&mut self, deployment: &mut Deployment, script: &Script) -> bool {
        let killed = deployment.kills < script.most_kills && self.dice.chance(script.kills);
        deployment.kills += u32::from(killed);
        self.kills += u32::from(killed);
        killed
    }

    /// The engine dies; calls of it may land later.
    fn gap(&mut self, deployment: &Deployment, seen: &Seen, calls: &[Effect]) -> Timestamp {
        self.note("the engine is killed");
        self.lives_since = Timestamp::MAX;
        self.leave_behind(&deployment.record, seen, calls);
        after(self.world.now, self.dice.millis(10, 60_000))
    }
}
