//! Every strategy, first end to end.
use deploy_testkit::sim::{Profile, Run, Script, scenario};
use serde_json::json;

#[test]
fn every_strategy_brings_in_a_release() {
    let mut bad = Vec::new();
    for profile in Profile::ALL {
        for name in scenario::STRATEGIES {
            let mut run = Run::new(1, profile);
            for version in ["v1", "v2", "v3"] {
                let spec = scenario::web(version, 4, scenario::strategy(name, json!({}))).unwrap();
                let status = run.deploy(scenario::release(spec).unwrap(), &Script::default()).unwrap();
                println!("{profile:?} {name} {version}: {status} {} looks", run.looks);
                if status != deploy_core::Status::Completed {
                    bad.push(format!("{profile:?} {name} {version} {status}"));
                }
            }
            if !run.world.trail.broken.is_empty() || !bad.is_empty() {
                println!("{}", run.world.trail.tail(120));
                for b in &run.world.trail.broken {
                    println!("{b}");
                }
                panic!("{bad:?}");
            }
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}
