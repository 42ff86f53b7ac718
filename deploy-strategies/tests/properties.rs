//! What holds for all settings and counts.

mod support;

use deploy_core::{Amount, Back, Capabilities, Count, Desired, Share, Stages, StrategyRef, Traffic, Workload};
use deploy_strategies::{AbTest, BlueGreen, Canary, Recreate, RollingUpdate};
use proptest::prelude::*;
use std::time::Duration;
use support::{one_writer, plan_on, web, worker};

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![(0..4_u32).prop_map(Amount::Number), (0..=100_u16).prop_map(|p| Amount::Share(Share::percent(p)))]
}

fn steps() -> impl Strategy<Value = Vec<Share>> {
    proptest::collection::btree_set(1..=10_000_u16, 1..6)
        .prop_map(|points| points.into_iter().map(Share::basis_points).collect())
}

fn span() -> impl Strategy<Value = Duration> {
    (0..600_u64).prop_map(Duration::from_secs)
}

fn rolling() -> impl Strategy<Value = StrategyRef> {
    let limits = (proptest::option::of(amount()), proptest::option::of(amount()), amount());
    (limits, span()).prop_map(|((max_surge, max_unavailable, max_failed), bake)| {
        RollingUpdate { max_surge, max_unavailable, max_failed, bake, ..RollingUpdate::default() }.into()
    })
}

fn recreate() -> impl Strategy<Value = StrategyRef> {
    (span(), amount()).prop_map(|(bake, max_failed)| Recreate { bake, max_failed, ..Recreate::default() }.into())
}

fn blue_green() -> impl Strategy<Value = StrategyRef> {
    (span(), span(), any::<bool>(), amount()).prop_map(|(bake, scale_down_delay, auto_promote, max_surge)| {
        BlueGreen { bake, scale_down_delay, auto_promote, max_surge, ..BlueGreen::default() }.into()
    })
}

fn canary() -> impl Strategy<Value = StrategyRef> {
    (steps(), span(), 0..50_u16).prop_map(|(steps, bake, mirror)| {
        Canary { steps, bake, mirror: Share::percent(mirror), ..Canary::default() }.into()
    })
}

fn ab_test() -> impl Strategy<Value = StrategyRef> {
    (1..10_000_u16, span(), proptest::option::of(amount())).prop_map(|(share, duration, instances)| {
        AbTest { share: Share::basis_points(share), duration, instances, ..AbTest::default() }.into()
    })
}

fn strategy() -> impl Strategy<Value = StrategyRef> {
    prop_oneof![rolling(), recreate(), blue_green(), canary(), ab_test()]
}

fn workload() -> impl Strategy<Value = Workload> {
    prop_oneof![(1..60_u32).prop_map(web), (1..60_u32).prop_map(worker)]
}

fn share(desired: &Desired) -> Option<Share> {
    desired.traffic.split().map(|split| split.candidate)
}

fn sides(stages: &Stages) -> impl Iterator<Item = &Desired> {
    let back = stages.before.iter().filter_map(|stage| match &stage.back {
        Back::Steps(steps) => Some(steps.iter().map(|step| &step.desired)),
        _ => None,
    });
    let on = stages.before.iter().map(|stage| &stage.step.desired).chain(stages.after.iter().map(|step| &step.desired));
    on.chain(back.flatten())
}

fn planned(strategy: &StrategyRef, workload: &Workload) -> Option<Stages> {
    plan_on(strategy, workload, &Capabilities::all()).ok()
}

proptest! {
    #[test]
    fn shares_and_counts_of_the_candidate_never_fall(strategy in strategy(), workload in workload()) {
        let Some(stages) = planned(&strategy, &workload) else { return Ok(()) };
        let on: Vec<_> = stages.before.iter().map(|stage| &stage.step.desired)
            .chain(stages.after.iter().map(|step| &step.desired)).collect();
        for pair in on.windows(2) {
            prop_assert!(share(pair[0]) <= share(pair[1]) || share(pair[1]).is_none(), "{pair:?}");
        }
        for pair in on.windows(2) {
            prop_assert!(pair[0].candidate.of(workload.replicas) <= pair[1].candidate.of(workload.replicas), "{pair:?}");
        }
    }

    #[test]
    fn before_the_commit_all_of_the_candidate_serve(strategy in strategy(), workload in workload()) {
        let Some(stages) = planned(&strategy, &workload) else { return Ok(()) };
        let last = &stages.before.last().expect("a plan has a stage").step.desired;
        prop_assert_eq!(last.candidate, Count::ALL);
        let served = match &last.traffic {
            Traffic::Split(split) => split.candidate.is_whole() && split.is_whole(),
            Traffic::Pooled => last.stable.is_none(),
            Traffic::NotRouted => !workload.is_routed(),
            Traffic::InPlace => !workload.is_routed() && last.stable.is_none(),
            Traffic::None => false,
        };
        prop_assert!(served, "{last:?}");
        prop_assert!(stages.after.iter().all(|step| step.desired.stable.is_none()));
    }

    #[test]
    fn who_gets_requests_has_instances_for_them(strategy in strategy(), workload in workload()) {
        let Some(stages) = planned(&strategy, &workload) else { return Ok(()) };
        for desired in sides(&stages) {
            let Some(split) = desired.traffic.split() else { continue };
            let (stable, candidate) = (desired.stable.of(workload.replicas), desired.candidate.of(workload.replicas));
            prop_assert!(!split.serves_candidate() || candidate > 0, "{desired:?}");
            prop_assert!(candidate >= split.candidate.of(workload.replicas), "{desired:?}");
            prop_assert!(!split.serves_stable() || stable == workload.replicas, "{desired:?}");
        }
    }

    #[test]
    fn one_writer_never_has_two_sides(strategy in strategy()) {
        let Some(stages) = planned(&strategy, &one_writer()) else { return Ok(()) };
        for desired in sides(&stages) {
            prop_assert!(desired.stable.is_none() || desired.candidate.is_none(), "{desired:?}");
        }
        let budgets = stages.before.iter().map(|stage| &stage.step.budget).chain(stages.after.iter().map(|step| &step.budget));
        for budget in budgets {
            prop_assert_eq!((budget.max_surge.up(1), budget.max_unavailable.down(1), budget.max_failed.up(1)), (0, 1, 0));
        }
    }

    #[test]
    fn the_bake_fits_into_the_deadline(strategy in strategy(), workload in workload()) {
        let Some(stages) = planned(&strategy, &workload) else { return Ok(()) };
        for stage in &stages.before {
            prop_assert!(stage.step.deadline >= stage.holds.bake + stage.step.budget.min_ready);
            prop_assert!(!stage.step.name.is_empty());
        }
    }

    #[test]
    fn a_worker_is_never_routed(strategy in strategy(), count in 1..60_u32) {
        let Some(stages) = planned(&strategy, &worker(count)) else { return Ok(()) };
        for desired in sides(&stages) {
            prop_assert!(desired.traffic.is_worker(), "{desired:?}");
        }
    }
}
