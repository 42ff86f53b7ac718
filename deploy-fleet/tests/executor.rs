//! The executor on a platform and a router in memory.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod common;

use async_trait::async_trait;
use common::{Told, World, percent, side, split, track};
use deploy_core::{
    Deployer, Error, Evidence, Fence, Instance, InstanceId, Instances, InstancesCapabilities, Kind, Launch, OrderKind,
    Result, RouteState, Router, RouterCapabilities, Routes, Share, Side, Slot, SlotId, Spread, Token, TrackRef,
    Traffic, Turn,
};
use deploy_fleet::Fleet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What the platform and the router share, and what was asked of them.
#[derive(Debug)]
struct State {
    world: World,
    token: Token,
    calls: Vec<String>,
    /// Calls whose text begins so fail.
    fails: Option<(&'static str, Kind)>,
    /// Calls fail by chance, one in three; the seed of it.
    chance: Option<u64>,
    /// How many lists leave somebody out, and whom.
    hides: Option<(u32, InstanceId)>,
}

#[derive(Debug, Clone)]
struct Platform(Arc<Mutex<State>>);

#[derive(Debug, Clone)]
struct Proxy(Arc<Mutex<State>>);

impl State {
    fn unlucky(&mut self) -> bool {
        let Some(seed) = &mut self.chance else { return false };
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % 3 == 0
    }

    fn called(&mut self, call: &str, token: Option<Token>) -> Result<()> {
        let chance = self.unlucky().then_some(("", Kind::Unavailable));
        let failing = self.fails.filter(|(begins, _)| call.starts_with(begins)).or(chance);
        self.calls.push(call.to_owned());
        if let Some((_, kind)) = failing {
            return Err(Error::new(kind, format!("`{call}` failed as it was told to")));
        }
        match token {
            Some(token) if token < self.token => Err(Error::new(Kind::Fenced, "an older token")),
            _ => Ok(()),
        }
    }
}

impl Platform {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Instances for Platform {
    fn capabilities(&self) -> InstancesCapabilities {
        InstancesCapabilities {
            fence: Fence::Atomic,
            survives_engine: true,
            relaunch_adopted: false,
            resources: true,
            tasks: false,
            hints: false,
        }
    }

    async fn list(&self, _track: &TrackRef) -> Result<Vec<Instance>> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        state.called("list", None)?;
        let mut all = state.world.instances();
        if let Some((left, hidden)) = state.hides.clone().filter(|(left, _)| *left > 0) {
            all.retain(|instance| instance.id != hidden);
            state.hides = Some((left - 1, hidden));
        }
        Ok(all)
    }

    async fn slots(&self, _track: &TrackRef) -> Result<Vec<Slot>> {
        Ok(self.state().world.slots())
    }

    async fn launch(&self, slot: &SlotId, launch: &Launch, token: Token) -> Result<()> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        state.called(&format!("launch {slot}"), Some(token))?;
        let slots = state.world.slots();
        let slot = slots.iter().find(|known| known.id == *slot).unwrap();
        state.world.start(slot, &launch.side);
        Ok(())
    }

    async fn stop(&self, _track: &TrackRef, instance: &InstanceId, _grace: Duration, token: Token) -> Result<()> {
        let mut state = self.state();
        state.called(&format!("stop {instance}"), Some(token))?;
        let inside = |routed: &deploy_core::Routed| routed.member.draining.is_none() || routed.in_flight != Some(0);
        assert!(!state.world.routes.member(instance).is_some_and(inside), "{instance} was stopped in the set");
        state.world.stop(instance);
        Ok(())
    }

    async fn fence(&self, _track: &TrackRef, token: Token) -> Result<Token> {
        let mut state = self.state();
        state.called("fence instances", None)?;
        state.token = state.token.max(token);
        Ok(state.token)
    }

    async fn token(&self, _track: &TrackRef) -> Result<Token> {
        Ok(self.state().token)
    }

    async fn serving(&self, _track: &TrackRef, side: &Side, token: Token) -> Result<()> {
        self.state().called(&format!("serving {}", side.revision), Some(token))
    }
}

#[async_trait]
impl Router for Proxy {
    fn capabilities(&self) -> RouterCapabilities {
        RouterCapabilities {
            evidence: Evidence::Accepted,
            fence: Fence::Checked,
            split: true,
            finest: Share::percent(1),
            matches: true,
            sticky: false,
            mirror: false,
            propagation: Duration::from_secs(1),
            survives_engine: false,
        }
    }

    async fn apply(&self, routes: &Routes) -> Result<()> {
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        state.called("apply", None)?;
        assert_eq!(routes.ports, [8080]);
        state.world.apply(routes);
        Ok(())
    }

    async fn observe(&self, _track: &TrackRef) -> Result<RouteState> {
        let mut state = self.0.lock().unwrap();
        state.called("routes", None)?;
        Ok(state.world.routes.clone())
    }

    async fn fence(&self, _track: &TrackRef, token: Token) -> Result<Token> {
        let mut state = self.0.lock().unwrap();
        state.called("fence router", None)?;
        state.world.routes.token = state.world.routes.token.max(token);
        Ok(state.world.routes.token)
    }

    async fn remove(&self, _track: &TrackRef, _token: Token) -> Result<()> {
        self.0.lock().unwrap().called("remove route", None)
    }
}

struct Bench {
    fleet: Fleet<Platform, Proxy>,
    state: Arc<Mutex<State>>,
}

impl Bench {
    fn new(world: World) -> Self {
        let state = State { world, token: Token::new(1, 1), calls: Vec::new(), fails: None, chance: None, hides: None };
        let state = Arc::new(Mutex::new(state));
        state.lock().unwrap().world.routes.token = Token::new(1, 1);
        Self { fleet: Fleet::new(Platform(state.clone()), Proxy(state.clone())), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn turn(&self, told: &Told) -> Result<Turn> {
        let world = self.state().world.clone();
        self.state().calls.clear();
        self.fleet.converge(&told.order(&world)).await
    }

    /// What was written, in order.
    fn writes(&self) -> Vec<String> {
        let reads = ["list", "routes"];
        self.state().calls.iter().filter(|call| !reads.contains(&call.as_str())).cloned().collect()
    }
}

#[tokio::test]
async fn a_rolling_update_ends_with_the_new_side_alone_and_marked() {
    let bench = Bench::new(World::serving(3, Spread::Pooled));
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).before(percent(0)).limits(3, 4);
    let mut marked = Vec::new();
    for _ in 0..100 {
        bench.turn(&told).await.unwrap();
        marked.extend(bench.writes().into_iter().filter(|call| call.starts_with("serving")));
        bench.state().world.tick(Duration::from_millis(100));
    }
    let state = bench.state();
    assert_eq!((state.world.admitted("new"), state.world.units.len()), (3, 3));
    assert!(marked.iter().all(|call| call == "serving new") && !marked.is_empty(), "{marked:?}");
}

#[tokio::test]
async fn what_drains_at_once_is_stopped_in_the_same_pass_after_it_was_seen_to_be_out() {
    let mut world = World::serving(1, split(100));
    world.load = 0;
    world.run("new", true);
    let old = world.of("old").remove(0);
    let bench = Bench::new(world);
    let told = Told::new(OrderKind::Shrink, 0, 1, percent(100)).limits(1, 2);
    let turn = bench.turn(&told).await.unwrap();
    assert!(turn.moved && turn.troubles.is_empty() && turn.again_at.is_some());
    let stop = format!("stop {old}");
    assert_eq!(bench.writes(), ["apply", "apply", "serving new", stop.as_str()]);
}

#[tokio::test]
async fn the_token_is_written_first_even_when_nothing_else_is_to_do() {
    let bench = Bench::new(World::serving(2, split(0)));
    let mut told = Told::new(OrderKind::Grow, 2, 0, percent(0)).limits(2, 3);
    told.token = Token::new(2, 1);
    let turn = bench.turn(&told).await.unwrap();
    assert!(!turn.moved);
    let writes = bench.writes();
    assert!(writes.contains(&"fence instances".into()) && writes.contains(&"fence router".into()), "{writes:?}");
    assert_eq!(bench.fleet.observe(&track()).await.unwrap().token, Token::new(2, 1));
    assert_eq!(writes.len(), 3, "stable serves alone, and that is marked: {writes:?}");
}

#[tokio::test]
async fn an_older_token_changes_nothing() {
    let bench = Bench::new(World::serving(3, Spread::Pooled));
    bench.state().token = Token::new(9, 0);
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(3, 4);
    let error = bench.turn(&told).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Fenced);
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn fenced_at_one_place_ends_the_turn() {
    let bench = Bench::new(World::serving(3, Spread::Pooled));
    bench.state().fails = Some(("launch", Kind::Fenced));
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(3, 4);
    assert_eq!(bench.turn(&told).await.unwrap_err().kind(), Kind::Fenced);
}

#[tokio::test]
async fn what_goes_wrong_at_one_place_is_a_trouble_and_the_rest_is_done() {
    let bench = Bench::new(World::serving(0, Spread::None));
    bench.state().fails = Some(("launch host-1", Kind::Candidate));
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).before(Traffic::None);
    let turn = bench.turn(&told).await.unwrap();
    let at: Vec<_> = turn.troubles.iter().map(|trouble| (trouble.at.as_str(), trouble.kind)).collect();
    assert_eq!(at, [("host-1/0", Kind::Candidate)]);
    assert_eq!(bench.state().world.units.len(), 2);
}

#[tokio::test]
async fn without_a_word_of_the_router_nobody_is_stopped_and_what_is_missing_is_launched() {
    let mut world = World::serving(3, split(100));
    world.run("new", true);
    let bench = Bench::new(world);
    bench.state().fails = Some(("routes", Kind::Unavailable));
    let told = Told::new(OrderKind::Shrink, 0, 2, percent(100)).limits(1, 5);
    let turn = bench.turn(&told).await.unwrap();
    assert_eq!(turn.troubles[0].at, "router");
    assert_eq!(bench.writes(), ["launch host-1/0"]);
    assert_eq!(bench.fleet.observe(&track()).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_router_that_refuses_holds_back_what_rests_on_it() {
    let bench = Bench::new(World::serving(2, split(100)));
    bench.state().world.run("new", true);
    bench.state().fails = Some(("apply", Kind::Unavailable));
    let told = Told::new(OrderKind::Shrink, 0, 1, percent(100)).limits(1, 4);
    let turn = bench.turn(&told).await.unwrap();
    assert_eq!((turn.troubles.len(), turn.moved), (1, false));
    assert_eq!(bench.writes(), ["apply", "serving new"]);
}

#[tokio::test]
async fn an_instance_that_one_list_leaves_out_is_not_gone() {
    let bench = Bench::new(World::serving(3, Spread::Pooled));
    let hidden = bench.state().world.of("old").remove(0);
    bench.state().hides = Some((1, hidden.clone()));
    let told = Told::new(OrderKind::InPlace, 3, 0, Traffic::Pooled).limits(3, 4);
    let turn = bench.turn(&told).await.unwrap();
    assert!(!turn.moved);
    bench.state().hides = Some((2, hidden));
    assert!(bench.turn(&told).await.unwrap().moved);
}

#[tokio::test]
async fn a_second_writer_needs_two_lists_that_are_empty() {
    let mut world = World::serving(0, Spread::None);
    let writer = world.run("old", false);
    let bench = Bench::new(world);
    bench.state().hides = Some((1, writer));
    let mut told = Told::new(OrderKind::InPlace, 0, 1, Traffic::InPlace).limits(0, 1);
    told.exclusive = true;
    bench.turn(&told).await.unwrap();
    assert!(bench.writes().is_empty(), "{:?}", bench.writes());
}

#[tokio::test]
async fn calls_that_fail_by_chance_delay_an_order_and_break_nothing() {
    for seed in 0..40 {
        let bench = Bench::new(World::serving(3, Spread::Pooled));
        bench.state().chance = Some(seed);
        let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).before(percent(0)).limits(3, 4);
        for round in 0..200 {
            if round == 100 {
                bench.state().chance = None;
            }
            let done = bench.turn(&told).await;
            assert!(round < 100 || done.unwrap().troubles.is_empty());
            let world = bench.state().world.clone();
            let serving = world.admitted("old") + world.admitted("new");
            assert!((3..=4).contains(&serving), "seed {seed}: {serving} serve");
            bench.state().world.tick(Duration::from_millis(100));
        }
        let state = bench.state();
        assert_eq!((state.world.admitted("new"), state.world.units.len()), (3, 3), "seed {seed}");
    }
}

#[tokio::test]
async fn a_turn_that_is_dropped_at_any_await_is_gone_on_from() {
    for steps in 1..12 {
        let bench = Bench::new(World::serving(2, Spread::Pooled));
        let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).before(percent(0)).limits(2, 3);
        for round in 0..120 {
            let world = bench.state().world.clone();
            let order = told.order(&world);
            let turn = bench.fleet.converge(&order);
            cut(turn, if round > 60 { usize::MAX } else { steps }).await;
            bench.state().world.tick(Duration::from_millis(100));
        }
        let state = bench.state();
        assert_eq!((state.world.admitted("new"), state.world.units.len()), (2, 2), "{steps} steps");
    }
}

/// Polls so many times, then drops.
async fn cut<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn workers_run_without_a_router() {
    let mut world = World::serving(0, Spread::None);
    world.run("old", false);
    world.run("old", false);
    let bench = Bench::new(world);
    let fleet = Fleet::workers(Platform(bench.state.clone()));
    let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::InPlace).limits(2, 3);
    for _ in 0..60 {
        let world = bench.state().world.clone();
        fleet.converge(&told.order(&world)).await.unwrap();
        bench.state().world.tick(Duration::from_millis(100));
    }
    let seen = fleet.observe(&track()).await.unwrap();
    assert!(seen.traffic.is_none());
    assert_eq!(seen.side(&side("new")).unwrap().total(), 2);
    assert!(seen.side(&side("old")).is_none());
    assert!(seen.instances().all(|instance| instance.admitted));
    assert!(!fleet.capabilities(&track()).await.unwrap().routes);
}

#[tokio::test]
async fn an_observation_says_who_is_in_the_set_and_what_is_closed() {
    let mut world = World::serving(2, split(0));
    world.run("new", false);
    world.hosts.get_mut("host-3").unwrap().0 = false;
    let seen = Bench::new(world).fleet.observe(&track()).await.unwrap();
    let admitted: Vec<_> = seen.instances().map(|instance| instance.admitted).collect();
    assert_eq!(admitted, [false, true, true]);
    assert_eq!(seen.traffic.as_ref().unwrap().spread, split(0));
    assert!(seen.traffic.as_ref().unwrap().drained);
    let words: Vec<_> = seen.conditions.iter().map(|condition| condition.words.as_str()).collect();
    assert_eq!(words, ["nothing can be launched on host `host-3`: cannot be reached"]);
}

#[tokio::test]
async fn capabilities_are_those_of_the_weaker_part() {
    let bench = Bench::new(World::serving(1, split(0)));
    let can = bench.fleet.capabilities(&track()).await.unwrap();
    assert_eq!((can.slots, can.fence, can.evidence), (Some(16), Fence::Checked, Evidence::Accepted));
    assert!(can.routes && can.traffic_none && !can.sticky && !can.survives_engine);
}

#[tokio::test]
async fn a_workload_is_removed_with_its_route_first() {
    let bench = Bench::new(World::new(1, 1));
    bench.fleet.remove(&track(), Token::new(1, 1)).await.unwrap();
    assert_eq!(bench.writes(), ["remove route"]);
}

#[test]
fn a_fleet_can_be_held_as_a_deployer() {
    let bench = Bench::new(World::new(1, 1));
    let _deployer: Box<dyn Deployer> = Box::new(bench.fleet);
}
