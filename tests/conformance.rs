//! The strategy and the platform of the examples, held to the contracts that theirs are held to.

#[allow(dead_code, reason = "only its strategy is used here")]
#[path = "../examples/custom_strategy.rs"]
mod custom_strategy;

#[allow(dead_code, reason = "only its platform is used here")]
#[path = "../examples/custom_deployer.rs"]
mod custom_deployer;

use custom_deployer::Folder;
use custom_strategy::HalfThenAll;
use deploy::core::{Name, Source};
use deploy::prelude::*;
use deploy_testkit::conformance::{self, Failure};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn the_strategy_of_the_example_does_what_every_strategy_does() -> std::result::Result<(), Failure> {
    let make = || Arc::new(HalfThenAll { bake: Duration::from_secs(1) }) as Arc<dyn Strategy>;
    let passed = conformance::Strategy::new(make).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_platform_of_the_example_does_what_every_platform_does() -> std::result::Result<(), Failure> {
    let specs = ["v1", "v2"].map(|version| {
        let mut web = Workload::new(Source::Image(format!("registry.example/web:{version}")));
        web.ports.extend(Name::new("http").map(|http| (http, 8080)));
        web.instance_spec()
    });
    let make = || async {
        let root = tempfile::tempdir().map_err(|error| Error::new(Kind::Unavailable, error.to_string()))?;
        Ok((Folder(root.path().to_owned()), root))
    };
    let passed = conformance::Deployer::new(specs, make).run().await?;
    assert!(passed.checked.len() >= 10, "{passed}");
    Ok(())
}
