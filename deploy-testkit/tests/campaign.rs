//! Seeds.
use deploy_testkit::sim::{Profile, campaign, scenario};
use std::collections::BTreeMap;

#[test]
fn seeds() {
    let n: u64 = std::env::var("DEPLOY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let only: Option<u64> = std::env::var("DEPLOY_SEED").ok().and_then(|n| n.parse().ok());
    let profile_only = std::env::var("DEPLOY_PROFILE").ok();
    let strategy_only = std::env::var("DEPLOY_STRATEGY").ok();
    let mut kinds: BTreeMap<String, (u32, String)> = BTreeMap::new();
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for profile in Profile::ALL {
        if profile_only.as_ref().is_some_and(|p| *p != format!("{profile:?}")) {
            continue;
        }
        for name in scenario::STRATEGIES {
            if strategy_only.as_ref().is_some_and(|p| p != name) {
                continue;
            }
            for seed in only.map_or(0..n, |s| s..s + 1) {
                let run = match std::panic::catch_unwind(|| campaign::play(seed, profile, name).unwrap()) {
                    Ok(r) => r,
                    Err(_) => {
                        println!("PANIC DEPLOY_SEED={seed} {profile:?} {name}");
                        continue;
                    }
                };
                for (record, _) in &run.history {
                    *ends.entry(format!("{profile:?} {name} {}", record.status())).or_default() += 1;
                }
                let mut seen = std::collections::BTreeSet::new();
                for b in &run.world.trail.broken {
                    if !seen.insert(b.guarantee) {
                        continue;
                    }
                    let mut how: String = b.how.chars().take(160).collect();
                    how = how.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
                    let e = kinds.entry(format!("{} {}", b.guarantee, how)).or_insert((
                        0,
                        format!("DEPLOY_SEED={seed} DEPLOY_PROFILE={profile:?} DEPLOY_STRATEGY={name}"),
                    ));
                    e.0 += 1;
                }
                if only.is_some() {
                    println!(
                        "{}",
                        run.world.trail.tail(std::env::var("TAIL").ok().and_then(|n| n.parse().ok()).unwrap_or(400))
                    );
                    for b in &run.world.trail.broken {
                        println!("{b}");
                    }
                }
            }
        }
    }
    for (k, v) in &ends {
        println!("{k}: {v}");
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
    for (k, (n, w)) in kinds.iter().take(25) {
        println!("{n} x {k}\n      {w}");
    }
}
