//! G11: what must not be shown is searched for in all that is kept and shown.

use super::run::Run;
use super::scenario::SECRET;

/// G11: the value of the secret that releases refer to is in no record, event, plan, error or line of the run.
///
/// The platforms here put no value into their words: that those of ours take values out is tested where they are.
pub(super) fn no_secret_is_shown(run: &mut Run) {
    let Ok(value) = std::env::var(SECRET) else { return };
    let holds = |text: &str| text.contains(&value);
    let kept = |(record, events): &(deploy_core::Record, Vec<deploy_core::Event>)| {
        let refers = format!("{:?}", record.request.release.spec.workloads).contains(SECRET);
        refers && (holds(&format!("{record:?}")) || serde_json::to_string(events).is_ok_and(|text| holds(&text)))
    };
    if run.history.iter().any(kept) || holds(&run.world.trail.tail(usize::MAX)) {
        run.world.trail.broken(run.world.now, "G11", format!("the value of {SECRET} is shown"));
    }
}
