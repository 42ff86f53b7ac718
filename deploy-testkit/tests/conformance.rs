//! The suites themselves: simulated platforms pass them, what is wrong does not, and is told what it breaks.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

mod wrong;

use deploy_core::time::after;
use deploy_core::{InstanceSpec, Name, Source, Timestamp, Workload};
use deploy_fleet::Fleet;
use deploy_testkit::conformance::{self, Failure};
use deploy_testkit::sim::{Platform, Profile, World};
use std::time::Duration;
use tokio::time::Instant;
use wrong::{instances, router};

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
async fn every_simulated_platform_does_what_every_platform_does() -> Result<(), Failure> {
    for profile in Profile::ALL {
        let seed = std::sync::atomic::AtomicU64::new(0);
        let make = move || {
            let seed = seed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move { Ok((Platform::new(World::new(seed, profile), clock()), ())) }
        };
        let passed = conformance::Deployer::new(specs(), make).run().await?;
        assert!(passed.checked.len() >= 8, "{profile:?}: {passed}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn plain_ones_do_what_every_one_does() -> Result<(), Failure> {
    let fleet = || async { Ok((Fleet::new(instances::Plain::new(None), router::Plain::new(None)), ())) };
    conformance::Deployer::new(specs(), fleet).run().await?;
    conformance::Instances::new(specs(), || async { Ok((instances::Plain::new(None), ())) }).run().await?;
    conformance::Router::new(|| async { Ok((router::Plain::new(None), ())) }).run().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_was_left_out_is_told() {
    let passed = conformance::Router::new(|| async { Ok((router::Plain::new(None), ())) }).run().await.unwrap();
    let text = passed.to_string();
    assert!(
        text.contains("left out  where requests go in truth: no address for clients was declared (`through`)"),
        "{text}"
    );
    assert!(text.contains("fence: no way to restart it was declared (`restarted`)"), "{text}");
}
