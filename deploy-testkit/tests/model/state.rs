//! One state of everything, and what may happen in it.

use super::engine::{Around, Asked, Engine, Luck, key, land};
use super::rules;
use super::world::{Life, World};
use deploy_core::machine::{Claim, Effect, reconcile};
use deploy_core::{Event, Grip, Record, TaskOutcome, Timestamp, What};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// How long it may take until the next engine begins.
const GAP: Duration = Duration::from_secs(30);

/// One state of everything.
#[derive(Debug, Clone)]
pub struct State {
    pub world: World,
    pub record: Arc<Record>,
    pub engine: Option<Engine>,
    /// Calls of dead engines that may still land.
    late: Vec<Asked>,
    renewed: Option<Timestamp>,
    epoch: u64,
    gapped: bool,
    /// As many faults may still come.
    pub left: u8,
    /// Nobody was ill, and nothing slow.
    pub kind: bool,
}

/// Something that may happen. Instances are meant by the workload's place and their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The engine looks, and appends what happened.
    Look,
    /// The next call is made.
    Call(Luck),
    /// The next call takes longer than until the next look.
    Delay,
    /// A call in hand is answered.
    Answered(usize),
    /// A call of a dead engine lands.
    Lands(usize),
    /// The engine is killed; what it was about to call may still land.
    Kill,
    /// Half a minute without an engine.
    Gap,
    TakeOver,
    BecomesWell(usize, usize),
    BecomesIll(usize, usize),
    Exits(usize, usize),
    /// One that was told to stop is gone.
    IsGone(usize, usize),
    /// What it still served is answered.
    IsFree(usize, usize),
    /// A task ends.
    TaskEnds(usize, bool),
    /// Time passes until the next deadline, or whatever is due first.
    Time,
}

/// An action, with how many faults it takes.
type Choice = (Action, u8);

impl State {
    pub fn new(world: World, record: Record, epoch: u64, faults: u8) -> Self {
        let record = Arc::new(record);
        Self {
            world,
            record,
            engine: None,
            late: vec![],
            renewed: None,
            epoch,
            gapped: false,
            left: faults,
            kind: true,
        }
    }

    pub fn is_over(&self) -> bool {
        self.record.way.is_ended() || !self.world.broken.is_empty()
    }

    /// All that may happen now.
    pub fn choices(&self) -> Vec<Choice> {
        if self.is_over() {
            return Vec::new();
        }
        let mut choices = self.work();
        // Between a look and its calls, and where nothing else goes on; anywhere else it would be the same before or after.
        let acts = |engine: &Engine| {
            let next = engine.pending.front().map(|asked| &asked.effect);
            (engine.idle && engine.pending.is_empty()) || matches!(next, Some(Effect::Converge { .. }))
        };
        if self.engine.as_ref().is_none_or(acts) {
            choices.extend(self.nature());
        }
        if let Some(engine) = self.engine.as_ref().filter(|engine| engine.idle && engine.pending.is_empty()) {
            let waits = self.nature().iter().any(|(_, faults)| *faults == 0) || !engine.in_hand.is_empty();
            choices.push((Action::Time, u8::from(waits)));
        }
        choices.extend((0..self.late.len()).map(|index| (Action::Lands(index), 0)));
        choices.retain(|(_, faults)| *faults <= self.left);
        choices
    }

    /// What an engine does, and what befalls it.
    fn work(&self) -> Vec<Choice> {
        let Some(engine) = &self.engine else {
            let gap = (!self.gapped && self.renewed.is_some()).then_some((Action::Gap, 0));
            return gap.into_iter().chain([(Action::TakeOver, 0)]).collect();
        };
        let mut choices: Vec<Choice> = (0..engine.in_hand.len()).map(|index| (Action::Answered(index), 0)).collect();
        match engine.pending.front().map(|asked| &asked.effect) {
            None if !engine.idle => choices.push((Action::Look, 0)),
            None => {}
            Some(effect) => {
                choices.extend([(Action::Call(Luck::Good), 0), (Action::Kill, 1)]);
                if key(effect).is_some() {
                    choices.extend([(Action::Call(Luck::Lost), 1), (Action::Call(Luck::Mute), 1), (Action::Delay, 1)]);
                }
                if matches!(effect, Effect::Converge { .. }) {
                    choices.push((Action::Call(Luck::Half), 1));
                }
            }
        }
        if engine.pending.is_empty() && engine.seen.is_some() {
            choices.push((Action::Kill, 1));
        }
        choices
    }

    /// What happens by itself.
    fn nature(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (place, site) in self.world.sites.values().enumerate() {
            for (index, unit) in site.units.iter().enumerate() {
                match unit.life {
                    Life::Starting => choices.push((Action::BecomesWell(place, index), 0)),
                    Life::Terminating => choices.push((Action::IsGone(place, index), 0)),
                    _ => {}
                }
                if matches!(unit.life, Life::Starting | Life::Well) {
                    choices.extend([(Action::BecomesIll(place, index), 1), (Action::Exits(place, index), 1)]);
                }
                if unit.busy && unit.runs() {
                    choices.push((Action::IsFree(place, index), 0));
                }
            }
        }
        for (index, _) in self.world.errands.values().enumerate().filter(|(_, errand)| errand.outcome.is_none()) {
            choices.extend([(Action::TaskEnds(index, true), 0), (Action::TaskEnds(index, false), 1)]);
        }
        choices
    }

    /// The state after something happened.
    pub fn after(&self, (action, faults): Choice, around: &Around) -> Self {
        let mut next = self.clone();
        next.left -= faults;
        if let Some(engine) = &mut next.engine {
            // What happens between a look and its calls wakes it again.
            engine.news |= !engine.idle && !matches!(action, Action::Call(_) | Action::Delay);
            engine.idle = false;
        }
        match action {
            Action::Look => next.look(),
            Action::Call(luck) => next.call(luck, around),
            Action::Delay => next.delay(),
            Action::Answered(index) => next.answered(index, around),
            Action::Lands(index) => next.lands(index),
            Action::Kill => next.kill(),
            Action::Gap => (next.gapped, next.world.now) = (true, deploy_core::time::after(next.world.now, GAP)),
            Action::TakeOver => next.take_over(around),
            Action::Time => next.time(faults),
            _ => next.happens(action),
        }
        next
    }

    fn look(&mut self) {
        let Some(mut engine) = self.engine.take() else { return };
        let seen = Arc::new(engine.look(&mut self.world, &self.record));
        let next = reconcile(&self.record, &seen, self.world.now);
        let before = self.record.clone();
        self.append(&next.events);
        self.judge(&before, &seen, &next.effects);
        engine.news = !next.events.is_empty() || engine.seen.as_deref() != Some(&*seen);
        let wake =
            next.effects.iter().find_map(|effect| if let Effect::Wake { at } = effect { Some(*at) } else { None });
        engine.wake = wake;
        let calls = next
            .effects
            .into_iter()
            .filter(|effect| !matches!(effect, Effect::Wake { .. }) && !engine.is_in_hand(effect));
        let asked = |effect| Asked { record: self.record.clone(), seen: seen.clone(), effect };
        engine.pending = calls.map(asked).collect();
        engine.seen = Some(seen);
        self.renewed = Some(self.world.now);
        self.engine = Some(engine);
        self.rest();
    }

    /// G10: what is written is read back the same, and the record is the fold of it.
    fn append(&mut self, events: &[What]) {
        let record = Arc::make_mut(&mut self.record);
        for what in events {
            let event = Event { number: record.version + 1, at: self.world.now, what: what.clone() };
            let again = serde_json::to_vec(&event).and_then(|text| serde_json::from_slice::<Event>(&text));
            match again {
                Ok(again) if again == event => record.apply(&again),
                other => self.world.broken.push(format!("G10: {event:?} comes back as {other:?}")),
            }
        }
    }

    fn judge(&mut self, before: &Record, seen: &deploy_core::machine::Seen, effects: &[Effect]) {
        let again = reconcile(&self.record, seen, self.world.now);
        if !again.events.is_empty() || again.effects != effects {
            self.world.breaks("fixed point", format_args!("the same look gives {:?}", again.events));
        }
        if self.record.version < before.version {
            self.world.breaks("G10", "events were lost");
        }
        let ended = self.record.way.is_ended();
        if !ended && !effects.iter().any(|effect| matches!(effect, Effect::Wake { .. })) {
            self.world.breaks("G5", format_args!("{} waits without an end", self.record.status()));
        }
        if ended {
            rules::ended(&mut self.world, &self.record.clone(), self.kind);
        }
    }

    fn call(&mut self, luck: Luck, around: &Around) {
        let Some(engine) = &mut self.engine else { return };
        if let Some(asked) = engine.pending.pop_front() {
            engine.make(&mut self.world, &asked, luck, around);
        }
        self.rest();
    }

    /// Nothing is left to call: unless something is new, there is nothing to do but wait.
    fn rest(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        engine.idle = engine.pending.is_empty() && !engine.news;
        if engine.idle && engine.in_hand.is_empty() && self.kind {
            rules::served(&mut self.world);
        }
    }

    fn delay(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        engine.in_hand.extend(engine.pending.pop_front());
        self.rest();
    }

    fn answered(&mut self, index: usize, around: &Around) {
        let Some(engine) = &mut self.engine else { return };
        let asked = engine.in_hand.remove(index);
        engine.make(&mut self.world, &asked, Luck::Good, around);
    }

    /// G7: a call of a dead engine changes nothing once its successor decides.
    fn lands(&mut self, index: usize) {
        let asked = self.late.remove(index);
        let old = asked.seen.lease.epoch;
        let taken = land(&mut self.world, &asked);
        let Some((track, _)) = key(&asked.effect) else { return };
        let held = self.record.tracks.get(&track).is_some_and(|state| state.grip == Grip::Held);
        if taken && held && self.record.epoch > old && !matches!(asked.effect, Effect::Fence { .. }) {
            self.world.breaks("G7", format_args!("a late call of engine {old} was taken: {:?}", key(&asked.effect)));
        }
    }

    fn kill(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        let writes = |asked: &Asked| key(&asked.effect).is_some() && !matches!(asked.effect, Effect::ReadToken { .. });
        self.late.extend(engine.in_hand.into_iter().chain(engine.pending.into_iter().take(1)).filter(writes));
        self.gapped = false;
    }

    fn take_over(&mut self, around: &Around) {
        self.epoch += 1;
        let claim = Claim { epoch: self.epoch, renewed_before: self.renewed };
        self.engine = Some(Engine::new(claim, &self.record, &around.tracks));
    }

    fn time(&mut self, faults: u8) {
        self.kind &= faults == 0;
        let Some(engine) = &self.engine else { return };
        let due = engine.wake.into_iter().chain(engine.again.values().copied());
        match due.filter(|at| *at > self.world.now).min() {
            Some(at) => self.world.now = at,
            None => self.world.breaks("G5", "nothing is due, and it has not ended"),
        }
    }

    fn happens(&mut self, action: Action) {
        match action {
            Action::TaskEnds(index, well) => {
                self.kind &= well;
                let errand = self.world.errands.values_mut().nth(index);
                let outcome = if well { TaskOutcome::Done } else { TaskOutcome::Failed("exit status 1".into()) };
                errand.into_iter().for_each(|errand| errand.outcome = Some(outcome.clone()));
            }
            Action::BecomesWell(place, index) => self.live(place, index, Life::Well),
            Action::BecomesIll(place, index) => (self.live(place, index, Life::Ill), self.kind = false).1,
            Action::Exits(place, index) => (self.live(place, index, Life::Exited), self.kind = false).1,
            Action::IsGone(place, index) => {
                let site = self.world.sites.values_mut().nth(place);
                site.into_iter().for_each(|site| drop(site.units.remove(index)));
            }
            Action::IsFree(place, index) => {
                let unit = self.world.sites.values_mut().nth(place).and_then(|site| site.units.get_mut(index));
                unit.into_iter().for_each(|unit| unit.busy = false);
            }
            _ => {}
        }
    }

    fn live(&mut self, place: usize, index: usize, life: Life) {
        let unit = self.world.sites.values_mut().nth(place).and_then(|site| site.units.get_mut(index));
        unit.into_iter().for_each(|unit| unit.life = life);
    }

    /// What tells this state from others. Times count by how far they are from now, and those of more than a minute ago
    /// as one: nothing here waits longer for something that has begun.
    pub fn fingerprint(&self) -> u128 {
        let mut text = format!("{:?} {:?} {:?}", self.world.sites, self.world.errands, self.world.broken);
        let record = &self.record;
        let parts = serde_json::to_string(&(&record.way, &record.paused, &record.tracks, &record.tasks, &record.gates));
        text += &parts.unwrap_or_default();
        let (refused, epoch, planned) = (&record.back_refused, record.epoch, record.plan.is_some());
        text += &format!("{refused:?} {epoch} {planned} {} {} {:?}", self.left, self.kind, self.late_words());
        text += &format!("{} {} {:?}", self.gapped, self.epoch, self.renewed);
        if let Some(engine) = &self.engine {
            text += &engine.words();
        }
        digest(&relative(&text, self.world.now))
    }

    fn late_words(&self) -> Vec<String> {
        self.late.iter().map(Asked::words).collect()
    }
}

impl Asked {
    fn words(&self) -> String {
        let order: Vec<_> = self.record.tracks.values().map(|state| (&state.order, state.generation)).collect();
        let seen: Vec<_> = self.seen.tracks.values().map(|seen| (&seen.observed, &seen.health)).collect();
        format!("{:?} {:?} {order:?} {seen:?}", self.effect, self.seen.lease)
    }
}

impl Engine {
    fn words(&self) -> String {
        let asked = |all: &mut dyn Iterator<Item = &Asked>| all.map(Asked::words).collect::<Vec<_>>();
        let flags = (self.claim, self.idle, self.news, self.wake, &self.again, self.seen.is_some());
        let memory = (&self.tracks, self.probed_words());
        let calls = (asked(&mut self.pending.iter()), asked(&mut self.in_hand.iter()));
        format!("{flags:?} {memory:?} {calls:?}")
    }
}

/// Two digests of 64 bits: two states in 10 million that are taken for one are less likely than a broken memory.
fn digest(text: &str) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, text).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

/// A text with its times told from now.
fn relative(text: &str, now: Timestamp) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("2027-") {
        told.push_str(&rest[..at]);
        let end = rest[at..].find('Z').map_or(rest.len(), |end| at + end + 1);
        let span = rest[at..end].parse::<Timestamp>().map(|time| time.as_millisecond() - now.as_millisecond());
        match span {
            Ok(span) => told.push_str(&span.max(-61_000).to_string()),
            Err(_) => told.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    told + rest
}
