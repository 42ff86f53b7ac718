//! The suites themselves: simulated platforms pass them, what is wrong does not, and is told what it breaks.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

mod promises;
mod wrong;

use deploy_core::time::after;
use deploy_core::{
    Health, HealthCheck, InstanceSpec, Judge, Memory, Name, ProbeTarget, Result, Side, Source, Strategies as _,
    StrategyRef, Timestamp, Workload,
};
use deploy_engine::ThresholdJudge;
use deploy_fleet::Fleet;
use deploy_strategies::Registry;
use deploy_testkit::conformance::{self, Failure, Tasks};
use deploy_testkit::sim::{Platform, Profile, World};
use promises::promises;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wrong::{instances, plain, router};

/// Two programs that differ.
pub fn specs() -> [InstanceSpec; 2] {
    ["v1", "v2"].map(|version| {
        let mut web = Workload::new(Source::Command(vec!["web".into(), version.into()]));
        web.ports = [(Name::new("http").unwrap(), 8080)].into();
        web.drain = Duration::from_secs(1);
        web.instance_spec()
    })
}

/// A clock that goes with the runtime's time.
fn clock() -> impl Fn() -> Timestamp + Send + Sync {
    let begun = Instant::now();
    move || after(Timestamp::from_second(1_800_000_000).unwrap(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn every_simulated_platform_does_what_every_platform_does() -> std::result::Result<(), Failure> {
    for profile in Profile::ALL {
        let seed = std::sync::atomic::AtomicU64::new(0);
        let make = move || {
            let seed = seed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let platform = Platform::new(World::new(seed, profile), clock());
            async move { Ok((platform.clone(), platform)) }
        };
        let ran = |platform: &Platform| {
            let ran = platform.world().errands.values().map(|errand| errand.started).sum();
            std::future::ready(Ok(ran))
        };
        let tasks = Tasks::new(|_: &Platform| vec!["migrate".into()], ran);
        let passed = conformance::Deployer::new(specs(), make).tasks(tasks).run().await?;
        assert!(passed.checked.len() >= 8, "{profile:?}: {passed}");
    }
    Ok(())
}

/// Instances and a router in memory as one platform.
fn fleet() -> conformance::Deployer<Fleet<plain::Plain, router::Plain>, plain::Plain> {
    let make = || async {
        let plain = plain::Plain::new(None);
        Ok((Fleet::new(plain.clone(), router::Plain::new(None)), plain))
    };
    conformance::Deployer::new(specs(), make).tasks(instances::tasks())
}

#[tokio::test(start_paused = true)]
async fn plain_ones_do_what_every_one_does() -> std::result::Result<(), Failure> {
    fleet().run().await?;
    let passed = instances::suite(None).run().await?;
    let told = ["it runs tasks", "the suite cannot"];
    let silent: Vec<_> =
        passed.left_out.iter().filter(|left| !told.iter().any(|why| left.why.starts_with(why))).collect();
    assert!(silent.is_empty(), "{passed}");
    conformance::Router::new(|| async { Ok((router::Plain::new(None), ())) }).run().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_was_left_out_is_told() {
    let passed = conformance::Router::new(|| async { Ok((router::Plain::new(None), ())) }).run().await.unwrap();
    let text = passed.to_string();
    assert!(
        text.contains("left out  a client stays on its side: no address for clients was declared (`through`)"),
        "{text}"
    );
    assert!(text.contains("fence: no way to restart it was declared (`restarted`)"), "{text}");
}

/// Who says it is well.
#[derive(Debug)]
struct Well;

#[async_trait::async_trait]
impl HealthCheck for Well {
    async fn probe(&self, _target: &ProbeTarget) -> Result<Health> {
        Ok(Health::Healthy)
    }
}

fn target() -> ProbeTarget {
    let (address, ports, versions) = (None, [].into(), Vec::new());
    ProbeTarget { instance: "web-1".into(), side: Side::home("v1".into()), address, ports, running: true, versions }
}

#[tokio::test(start_paused = true)]
async fn every_promise_is_checked_or_told_or_said_to_be_what_no_suite_sees() {
    let well = || async { Ok((Arc::new(Well) as Arc<dyn HealthCheck>, target(), ())) };
    let store = |clock: conformance::Clock| async move { Ok((Memory::new(move || clock.read()), ())) };
    let rolling = || Registry::default().get(&StrategyRef::named("rolling")).unwrap();
    let judge = || Arc::new(ThresholdJudge::default()) as Arc<dyn Judge>;
    let held = [
        (promises!("Instances", "instances.rs", "instances.txt"), instances::suite(None).run().await),
        (promises!("Deployer", "deployer.rs", "deployer.txt"), fleet().run().await),
        (
            promises!("Router", "router.rs", "router.txt"),
            conformance::Router::new(|| async { Ok((router::Plain::new(None), ())) }).run().await,
        ),
        (promises!("Store", "store.rs", "store.txt"), conformance::Store::new(store).run().await),
        (promises!("HealthCheck", "health.rs", "health.txt"), conformance::HealthCheck::new(well).run().await),
        (
            promises!("Strategy", "strategy.rs", "strategy.txt"),
            conformance::Strategy::new(rolling).draws(20).run().await,
        ),
        (promises!("Judge", "judge.rs", "judge.txt"), conformance::Judge::new(judge).run().await),
        (promises!("Gate", "gate.rs", "gate.txt"), wrong::gate::held(None).await),
        (promises!("MetricSource", "metrics.rs", "metrics.txt"), wrong::metrics::held(None).await),
    ];
    let silent = held.iter().flat_map(|(promised, ran)| promised.silent(ran.as_ref().unwrap()));
    let silent: Vec<_> = silent.collect();
    assert!(silent.is_empty(), "add a step, a line of `left_out` or of the guide, and a row:\n{}", silent.join("\n"));
}
