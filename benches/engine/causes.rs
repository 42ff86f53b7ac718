//! What could have woken the engine, counted where it comes from.

use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Event, Health, HealthCheck, InstanceId, Notifier, Observed, Order, ProbeTarget, Record,
    Result, Revision, RevisionId, TaskAct, TaskOutcome, TaskRun, Timestamp, Timing, Token, Track, TrackRef, Turn,
};
use deploy_engine::{Wake, WakeUps};
use deploy_health::Fold;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What was given so far.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    hints: AtomicU64,
    /// Calls that came back, but for observations.
    calls: AtomicU64,
    /// Turns that said when to come again.
    again: AtomicU64,
    /// Answers that changed what is folded of an instance.
    answers: AtomicU64,
    folds: Mutex<BTreeMap<InstanceId, Fold>>,
    /// When what was done, in words.
    log: Mutex<Vec<(Instant, String)>>,
}

/// So many of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    hints: u64,
    calls: u64,
    again: u64,
    answers: u64,
}

impl Causes {
    /// As a deployment begins: it knows nothing of the health of anybody.
    pub(crate) fn anew(&self) -> Given {
        self.folds.lock().unwrap().clear();
        self.log.lock().unwrap().clear();
        self.so_far()
    }

    /// Prints what was done since, where `DEPLOY_BENCH_TIMELINE` asks for it.
    pub(crate) fn timeline(&self, began: Instant) {
        if std::env::var_os("DEPLOY_BENCH_TIMELINE").is_none() {
            return;
        }
        for (at, words) in &*self.log.lock().unwrap() {
            println!("{:7.1} ms  {words}", at.duration_since(began).as_secs_f64() * 1000.0);
        }
    }

    fn note(&self, words: impl FnOnce() -> String) {
        if std::env::var_os("DEPLOY_BENCH_TIMELINE").is_some() {
            self.log.lock().unwrap().push((Instant::now(), words()));
        }
    }

    pub(crate) fn so_far(&self) -> Given {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        Given { hints: of(&self.hints), calls: of(&self.calls), again: of(&self.again), answers: of(&self.answers) }
    }
}

impl Given {
    /// How many wake-ups of a deployment have no cause, and all with what they are held against.
    pub(crate) fn held_against(self, before: Self, woken: &WakeUps, record: &Record) -> (u64, String) {
        let causes = [
            (Wake::Start, 1),
            // When it is asked for, and when the first line about it is written.
            (Wake::Turn, 2),
            (Wake::Hint, self.hints - before.hints),
            (Wake::Probe, self.answers - before.answers),
            // The token is read by an observation.
            (Wake::Call, self.calls - before.calls + 1),
            (Wake::Again, self.again - before.again),
            // What is due makes something happen.
            (Wake::Due, record.version),
        ];
        let named: BTreeMap<&str, u64> = causes.map(|(cause, most)| (cause.name(), most)).into();
        let most = |cause: Wake| named.get(cause.name()).copied().unwrap_or_default();
        let without = woken.iter().map(|(cause, often)| often.saturating_sub(most(cause))).sum();
        let words = woken.iter().filter(|(_, often)| *often > 0);
        let words = words.map(|(cause, often)| format!("{} {often} of {}", cause.name(), most(cause)));
        let words = words.collect::<Vec<_>>().join(", ");
        (without, format!("{} in all for {} events; {words}", woken.all(), record.version))
    }
}

/// A platform whose calls and hints are counted.
#[derive(Debug)]
pub(crate) struct Counted<D> {
    pub(crate) inner: D,
    pub(crate) causes: Arc<Causes>,
}

impl<D> Counted<D> {
    fn call<T>(&self, made: T) -> T {
        self.causes.calls.fetch_add(1, Relaxed);
        made
    }
}

#[async_trait]
impl<D: Deployer> Deployer for Counted<D> {
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities> {
        Ok(self.call(self.inner.capabilities(track).await?))
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        let began = Instant::now();
        let seen = self.inner.observe(track).await;
        self.causes.note(|| format!("observed in {:?}", began.elapsed()));
        seen
    }

    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        let began = Instant::now();
        let turn = self.call(self.inner.converge(order).await?);
        self.causes.note(|| {
            let again = turn.again_at.map(|at| deploy_core::time::between(order.now, at));
            format!("{} converged in {:?}, moved {}, again in {again:?}", order.token, began.elapsed(), turn.moved)
        });
        self.causes.again.fetch_add(u64::from(turn.again_at.is_some() || !turn.troubles.is_empty()), Relaxed);
        Ok(turn)
    }

    async fn check(&self, track: &TrackRef, planned: &Track) -> Result<()> {
        self.inner.check(track, planned).await
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        Ok(self.call(self.inner.fence(track, token).await?))
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.causes.note(|| "prepares".into());
        let made = self.call(self.inner.prepare(track, revisions, token).await);
        self.causes.note(|| "prepared".into());
        made
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.call(self.inner.task(run, act, token).await)
    }

    async fn prune(&self, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        self.inner.prune(track, keep).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.call(self.inner.remove(track, token).await)
    }

    async fn logs(&self, track: &TrackRef, instance: &InstanceId, lines: usize) -> Result<Vec<String>> {
        self.inner.logs(track, instance, lines).await
    }

    fn changes(&self, track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        let (hints, causes) = (self.inner.changes(track)?, self.causes.clone());
        Some(
            hints
                .inspect(move |()| {
                    causes.hints.fetch_add(1, Relaxed);
                    causes.note(|| "hint".into());
                })
                .boxed(),
        )
    }
}

/// Notes what happened.
#[derive(Debug)]
pub(crate) struct Told(pub(crate) Arc<Causes>);

#[async_trait]
impl Notifier for Told {
    async fn notify(&self, _record: &Record, event: &Event) -> Result<()> {
        self.0.note(|| format!("{} {}", event.number, event.what.name()));
        Ok(())
    }
}

/// A check whose new answers are counted.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) inner: Arc<dyn HealthCheck>,
    pub(crate) timing: Timing,
    pub(crate) causes: Arc<Causes>,
}

#[async_trait]
impl HealthCheck for Asked {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let answer = self.inner.probe(target).await;
        let health = answer.as_ref().copied().unwrap_or_default();
        let (mut folds, now) = (self.causes.folds.lock().unwrap(), Timestamp::now());
        let new = || Fold::new(self.timing.clone(), now);
        let changed = folds.entry(target.instance.clone()).or_insert_with(new).sample(now, health).is_some();
        self.causes.answers.fetch_add(u64::from(changed), Relaxed);
        if changed {
            self.causes.note(|| format!("{} said {health}", target.instance));
        }
        answer
    }
}
