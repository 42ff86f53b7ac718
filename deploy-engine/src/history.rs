//! What was brought in before, for plans and ways back.

use deploy_core::planner::Known;
use deploy_core::{DeploymentId, Filter, Name, Record, Release, Result, Revision, Scope, Status, Store, TrackRef};

/// So many earlier deployments are looked at.
const DEPTH: usize = 50;

/// What the last deployments of a scope brought in.
pub(crate) async fn known(store: &dyn Store, scope: &Scope) -> Result<Known> {
    let mut known = Known::default();
    for record in ended(store, scope).await?.iter().rev() {
        remember(&mut known, record);
        if record.status() == Status::Completed {
            known.last = tracks_of(&record.request.release, &scope.environment);
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

fn remember(known: &mut Known, record: &Record) {
    let Some(plan) = record.plan.as_deref() else { return };
    for (track, planned) in &plan.tracks {
        for party in planned.parties() {
            add(known, track, &party.revision, party.count, party.version.clone());
        }
    }
    let (release, environment) = (&record.request.release, &record.scope.environment);
    for name in release.spec.workloads.keys() {
        let Ok(resolved) = release.resolve(environment, name) else { continue };
        let track = track_of(release, environment, name, resolved.target);
        add(known, &track, &resolved.revision, resolved.workload.replicas, release.spec.version.clone());
    }
}

fn add(known: &mut Known, track: &TrackRef, revision: &Revision, count: u32, version: Option<String>) {
    if revision.spec.is_some() {
        known.revisions.retain(|(at, one, ..)| at != track || one.id != revision.id);
        known.revisions.push((track.clone(), revision.clone(), count, version));
    }
}

fn track_of(release: &Release, environment: &Name, workload: &Name, target: Name) -> TrackRef {
    TrackRef {
        application: release.spec.application.clone(),
        environment: environment.clone(),
        workload: workload.clone(),
        target,
    }
}

/// Every track of a release in an environment.
pub(crate) fn tracks_of(release: &Release, environment: &Name) -> Vec<TrackRef> {
    let names = release.spec.workloads.keys();
    names
        .filter_map(|name| {
            let target = release.resolve(environment, name).ok()?.target;
            Some(track_of(release, environment, name, target))
        })
        .collect()
}
