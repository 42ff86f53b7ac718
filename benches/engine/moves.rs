//! Rolling and blue-green of ten real processes beside the limit, in turn; and what woke the engine meanwhile.

use crate::PAIRS;
use crate::bare::Bare;
use crate::causes::{Asked, Causes, Counted, Given, Told};
use crate::site::{COUNT, Site, lost, strategy};
use deploy_benches::{Goal, Row, Table, median};
use deploy_core::{Probe, Record, Release, Status};
use deploy_engine::{Engine, WakeUps};
use deploy_fleet::Fleet;
use deploy_store::Sqlite;
use deploy_traffic::{Config, EmbeddedProxy};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The engine on a site of its own.
pub(crate) struct Ours {
    pub(crate) site: Site,
    pub(crate) engine: Engine,
    causes: Arc<Causes>,
}

/// How a deployment went.
pub(crate) struct Went {
    took: Duration,
    record: Record,
    woken: WakeUps,
    before: Given,
}

impl Ours {
    pub(crate) async fn new() -> Self {
        let site = Site::new();
        let causes = Arc::<Causes>::default();
        let proxy = EmbeddedProxy::start(Config::default()).unwrap();
        let fleet = Counted { inner: Fleet::new(site.machine(), proxy), causes: causes.clone() };
        let (store, asked) = (Sqlite::open(site.folder().join("deploy.db")).await.unwrap(), causes.clone());
        let check = move |probe: &Probe| {
            let (inner, timing) = (deploy_health::check(probe)?, probe.timing.clone());
            Ok(Arc::new(Asked { inner, timing, causes: asked.clone() }) as Arc<dyn deploy_core::HealthCheck>)
        };
        let engine = Engine::builder().store(store).target("here", fleet).health_check(check);
        let engine = engine.notifier(Told(causes.clone())).build().await.unwrap();
        let ours = Self { site, engine, causes };
        ours.bring(&ours.site.release("v1", strategy("rolling"))).await;
        ours
    }

    pub(crate) async fn bring(&self, release: &Release) -> Went {
        let (before, began) = (self.causes.anew(), Instant::now());
        let id = self.engine.deploy(("bench", release)).by("bench").await.unwrap();
        let record = self.engine.wait(&id).await.unwrap();
        let took = began.elapsed();
        self.causes.timeline(began);
        assert_eq!(record.status(), Status::Completed, "{:?}", record.reason());
        Went { took, record, woken: self.engine.wake_ups(&id), before }
    }
}

/// What came of the pairs of one strategy.
#[derive(Default)]
struct Pairs {
    seconds: Vec<(f64, f64)>,
    lost: (u64, u64),
    without: Vec<f64>,
    words: String,
}

pub(crate) async fn rows() -> Table {
    let (ours, mut bare) = (Ours::new().await, Bare::new().await);
    let mut table = Table::default();
    for (name, moves) in [("rolling", "rolling of 10, surge 2"), ("blue_green", "blue-green of 10")] {
        let mut pairs = Pairs::default();
        for pair in 0..PAIRS {
            pairs.one(&ours, &mut bare, name, pair).await;
        }
        pairs.tell(moves, &mut table);
    }
    ours.engine.shutdown().await;
    ours.site.close().await;
    bare.site.close().await;
    table
}

impl Pairs {
    async fn one(&mut self, ours: &Ours, bare: &mut Bare, name: &str, pair: usize) {
        let version = format!("{name}-{pair}");
        let load = ours.site.load();
        let went = ours.bring(&ours.site.release(&version, strategy(name))).await;
        let (lost, sent) = lost(&load.stop().await);
        self.lost = (self.lost.0 + lost, self.lost.1 + sent);
        let load = bare.site.load();
        let limit = match name {
            "rolling" => bare.rolling(&version).await,
            _ => bare.blue_green(&version).await,
        };
        drop(load.stop().await);
        self.seconds.push((went.took.as_secs_f64(), limit.as_secs_f64()));
        let (without, words) = ours.causes.so_far().held_against(went.before, &went.woken, &went.record);
        self.without.push(without as f64);
        self.words = words;
    }

    fn tell(self, moves: &str, table: &mut Table) {
        let ratio = median(self.seconds.iter().map(|(ours, limit)| ours / limit).collect());
        let of = |pick: fn(&(f64, f64)) -> f64| median(self.seconds.iter().map(pick).collect());
        let (ours, limit, (lost, sent)) = (of(|pair| pair.0), of(|pair| pair.1), self.lost);
        let note = format!("{ours:.2} s, limit {limit:.2} s; medians of {PAIRS} pairs; {lost} lost of {sent} sent");
        table.push(Row::new(format!("engine: {moves}, to the limit"), Goal::AtMost(1.1), ratio, "x").note(note));
        let what = format!("engine: wake-ups without a cause, {moves}");
        let most = self.without.into_iter().fold(0.0, f64::max);
        let note = format!("most of {PAIRS}, {COUNT} processes; the last: {}", self.words);
        table.push(Row::new(what, Goal::AtMost(0.0), most, "").note(note));
    }
}
