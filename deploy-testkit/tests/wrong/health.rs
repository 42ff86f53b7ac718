//! Health checks that are wrong.

use super::{begins, broken};
use async_trait::async_trait;
use deploy_core::{Error, Health, HealthCheck, Kind, ProbeTarget, Result, Side};
use deploy_testkit::conformance;
use std::sync::Arc;
use std::time::Duration;

/// What an instance does, and what the check makes of it.
#[derive(Debug, Clone, Copy)]
enum Told {
    Well,
    Ill,
    /// It could not be asked in time: its name did not resolve.
    NotAsked,
    /// Asked, and no answer ever came.
    Silent,
}

#[derive(Debug)]
struct Wrong {
    of: Told,
    timeout_is: Option<Health>,
}

#[async_trait]
impl HealthCheck for Wrong {
    async fn probe(&self, _target: &ProbeTarget) -> Result<Health> {
        match (self.of, self.timeout_is) {
            (Told::Well, _) => Ok(Health::Healthy),
            (Told::Ill, _) => Ok(Health::Unhealthy),
            (Told::NotAsked | Told::Silent, Some(health)) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(health)
            }
            (Told::NotAsked, None) => Err(Error::new(Kind::Timeout, "its name did not resolve in time")),
            (Told::Silent, None) => std::future::pending().await,
        }
    }
}

fn target() -> ProbeTarget {
    ProbeTarget {
        instance: "web-1".into(),
        side: Side::home("v1".into()),
        address: Some("web.example:80".into()),
        ports: [].into(),
        running: true,
        versions: Vec::new(),
    }
}

fn check(timeout_is: Option<Health>) -> conformance::HealthCheck {
    let of =
        move |of| move || async move { Ok((Arc::new(Wrong { of, timeout_is }) as Arc<dyn HealthCheck>, target(), ())) };
    conformance::HealthCheck::new(of(Told::Well)).ill(of(Told::Ill)).silent(of(Told::Silent)).broken(of(Told::NotAsked))
}

#[tokio::test(start_paused = true)]
async fn a_check_that_tells_what_it_knows() {
    let passed = check(None).run().await.unwrap();
    assert_eq!(passed.left_out.len(), 1, "{passed}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_takes_a_timeout_of_its_own_for_unhealthy() {
    assert_eq!(
        broken(check(Some(Health::Unhealthy)).run().await),
        "G9 is broken in step \"a check that broke is an error or unknown, never good or bad\": told unhealthy, expected an error, or unknown"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_takes_no_answer_for_healthy() {
    begins(
        &broken(check(Some(Health::Healthy)).run().await),
        "the contract (is it well?) is broken in step \"who does not answer is unhealthy in the end, never healthy\": told healthy",
    );
}
