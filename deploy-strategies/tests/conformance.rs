//! The strategies, held to the contract of strategies.

use deploy_core::{Strategies as _, StrategyRef};
use deploy_strategies::Registry;
use deploy_testkit::conformance::{self, Failure};
use serde_json::{Value, json};

async fn hold(name: &'static str, settings: Value) -> Result<(), Failure> {
    let strategy = StrategyRef { name: name.into(), settings: settings.as_object().cloned().unwrap_or_default() };
    #[allow(clippy::expect_used, reason = "a strategy of this house")]
    let make = move || Registry::default().get(&strategy).expect("a strategy");
    let passed = conformance::Strategy::new(make).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    Ok(())
}

#[tokio::test]
async fn recreate_does_what_every_strategy_does() -> Result<(), Failure> {
    hold("recreate", json!({ "bake": "10s" })).await
}

#[tokio::test]
async fn rolling_does_what_every_strategy_does() -> Result<(), Failure> {
    hold("rolling", json!({})).await?;
    hold("rolling", json!({ "max_surge": "25%", "max_unavailable": "25%" })).await
}

#[tokio::test]
async fn blue_green_does_what_every_strategy_does() -> Result<(), Failure> {
    hold("blue_green", json!({ "bake": "10s", "scale_down_delay": "5s" })).await
}

#[tokio::test]
async fn canary_does_what_every_strategy_does() -> Result<(), Failure> {
    hold("canary", json!({})).await?;
    hold("canary", json!({ "steps": ["1%", "10%", "50%"], "mirror": "5%", "bake": "20s" })).await
}

#[tokio::test]
async fn ab_test_does_what_every_strategy_does() -> Result<(), Failure> {
    hold("ab_test", json!({ "share": "20%", "duration": "30s", "decision": "promote" })).await
}
