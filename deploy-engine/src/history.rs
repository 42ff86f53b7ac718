//! What was brought in before, for plans and ways back.

use deploy_core::planner::{Known, KnownRevision};
use deploy_core::{DeploymentId, Filter, Name, Record, Release, Result, Scope, Status, Store, TrackRef};

/// So many earlier deployments are looked at.
const DEPTH: usize = 50;

/// What the last deployments of a scope brought in.
pub(crate) async fn known(store: &dyn Store, scope: &Scope) -> Result<Known> {
    let mut known = Known::default();
    for record in ended(store, scope).await?.iter().rev() {
        remember(&mut known, record)?;
        if record.status() == Status::Completed {
            known.completed(&record.request.release, &scope.environment)?;
        }
    }
    Ok(known)
}

/// The deployment that completed last in a scope, before another one or of all.
pub(crate) async fn completed_before(
    store: &dyn Store,
    scope: &Scope,
    before: &DeploymentId,
) -> Result<Option<Record>> {
    let ended = ended(store, scope).await?;
    let older = ended.into_iter().skip_while(|record| record.id != *before).skip(1);
    Ok(older.into_iter().find(|record| record.status() == Status::Completed))
}

/// Ended deployments of a scope, the newest first.
async fn ended(store: &dyn Store, scope: &Scope) -> Result<Vec<Record>> {
    let filter = Filter {
        application: Some(scope.application.clone()),
        environment: Some(scope.environment.clone()),
        active: Some(false),
        limit: Some(DEPTH),
    };
    let mut records = Vec::new();
    for summary in store.list(&filter).await? {
        records.push(store.load(&summary.id).await?);
    }
    Ok(records)
}

/// What ran before it is remembered too: its own deployment may be further back than is looked.
fn remember(known: &mut Known, record: &Record) -> Result<()> {
    let Some(plan) = record.plan.as_deref() else { return Ok(()) };
    for (track, planned) in &plan.tracks {
        let stable = planned.stable.iter().filter(|party| party.revision.spec.is_some());
        known.revisions.extend(stable.map(|party| KnownRevision {
            track: track.clone(),
            revision: party.revision.clone(),
            count: party.count,
            version: party.version.clone(),
            routed: planned.routed,
            exclusive: planned.exclusive,
        }));
    }
    known.add(&record.request.release, &record.scope.environment)
}

/// Every track of a release in an environment.
pub(crate) fn tracks_of(release: &Release, environment: &Name) -> Vec<TrackRef> {
    deploy_core::planner::tracks(release, environment, &Known::default()).unwrap_or_default()
}
