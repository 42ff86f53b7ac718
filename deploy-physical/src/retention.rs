//! What is kept, and what goes.

use crate::fence;
use crate::instances::{Inner, stamp};
use crate::layout::Layout;
use crate::local::blocking;
use crate::prepare::Prepared;
use crate::{disk, instances, tasks};
use deploy_core::{Error, Kind, Result, RevisionId, Timestamp, Token, TrackRef, time};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is kept of releases, and of instances that have ended.
///
/// A release goes when it is beyond the newest `releases` or was prepared longer ago than `days`; one that runs, that
/// serves or that is still needed never goes. So do instances that have ended, with their logs, and tasks, by their time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How many releases of a workload. Default 5.
    pub releases: usize,
    /// For how many days. Default 30.
    pub days: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self { releases: 5, days: 30 }
    }
}

impl Keep {
    fn is_over(self, since: Timestamp, now: Timestamp) -> bool {
        now > time::after(since, Duration::from_secs(u64::from(self.days) * 86_400))
    }

    /// Those that go, of revisions with the time they were prepared.
    fn going(self, mut revisions: Vec<(Timestamp, String)>, needed: &BTreeSet<String>, now: Timestamp) -> Vec<String> {
        revisions.sort_unstable_by(|a, b| b.cmp(a));
        let all = revisions.into_iter().enumerate();
        let over = all.filter(|(rank, (at, _))| *rank >= self.releases || self.is_over(*at, now));
        over.map(|(_, (_, id))| id).filter(|id| !needed.contains(id)).collect()
    }
}

/// How long a tree may be under way before it is taken for one that a killed engine left.
const LEFT: Duration = Duration::from_secs(86_400);

/// Removes what is neither needed nor to be kept.
pub(crate) async fn prune(inner: &Inner, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
    let layout = inner.layout(track);
    if inner.host.look(layout.dir()).await?.is_none() {
        return Ok(());
    }
    let now = Timestamp::now();
    // Only moved away under the lock; removing takes its time.
    let guard = inner.host.lock(&layout.lock()).await?;
    let needed = needed(inner, &layout, keep).await?;
    let away = layout.dir().join(format!(".away-{}", stamp()));
    inner.host.make_dir(&away, 0o700).await?;
    let logged = put_ended_away(inner, &layout, &away, now).await?;
    for id in inner.keep.going(prepared(inner, &layout).await?, &needed, now) {
        put_away(inner, &layout, &RevisionId::new(id), &away, &logged).await?;
    }
    drop(guard);
    for name in inner.host.list(layout.dir()).await?.iter().filter(|name| name.starts_with(".away-")) {
        inner.host.remove(&layout.dir().join(name)).await?;
    }
    let staging = inner.host.staging();
    blocking(move || disk::sweep(&staging, LEFT)).await
}

async fn needed(inner: &Inner, layout: &Layout, keep: &[RevisionId]) -> Result<BTreeSet<String>> {
    let mut needed: BTreeSet<_> = keep.iter().map(ToString::to_string).collect();
    needed.extend(inner.found(layout).await?.into_iter().map(|found| found.note.side.revision.to_string()));
    let current = inner.host.look(&layout.current()).await?.and_then(|current| current.link);
    needed.extend(current.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()));
    Ok(needed)
}

/// All revisions that were prepared, with the time; without one they are as old as can be.
async fn prepared(inner: &Inner, layout: &Layout) -> Result<Vec<(Timestamp, String)>> {
    let mut names: BTreeSet<_> = inner.host.list(&layout.releases()).await?.into_iter().collect();
    let noted = inner.host.list(&layout.revisions()).await?;
    names.extend(noted.iter().filter_map(|name| name.strip_suffix(".json")).map(str::to_owned));
    let mut prepared = Vec::new();
    for id in names {
        let text = inner.host.read(&layout.revision(&RevisionId::new(id.clone()))).await?;
        let note = text.and_then(|text| serde_json::from_slice::<Prepared>(&text).ok());
        prepared.push((note.map_or(Timestamp::MIN, |note| note.at), id));
    }
    Ok(prepared)
}

/// Moves what is kept of a revision away; its secrets only when no log is left that they are to be taken out of.
async fn put_away(
    inner: &Inner,
    layout: &Layout,
    id: &RevisionId,
    away: &Path,
    logged: &BTreeSet<RevisionId>,
) -> Result<()> {
    moved(inner, layout.release(id), away.join(format!("release-{id}"))).await?;
    if logged.contains(id) {
        return Ok(());
    }
    moved(inner, layout.secrets(id), away.join(format!("secrets-{id}"))).await?;
    // The note goes last: while it stands, the rest is found again.
    moved(inner, layout.revision(id), away.join(format!("note-{id}"))).await
}

async fn moved(inner: &Inner, path: PathBuf, to: PathBuf) -> Result<()> {
    match inner.host.look(&path).await? {
        Some(_) => inner.host.rename(&path, &to).await,
        None => Ok(()),
    }
}

/// Moves what ended long ago away, and tells of which revisions there are logs still.
async fn put_ended_away(inner: &Inner, layout: &Layout, away: &Path, now: Timestamp) -> Result<BTreeSet<RevisionId>> {
    let mut logged = BTreeSet::new();
    for under in [layout.ended(), layout.tasks()] {
        for (name, standing) in inner.services.list(&under).await? {
            if !standing.state.is_live() && inner.keep.is_over(standing.asked, now) {
                moved(inner, under.join(&name), away.join(format!("ended-{name}"))).await?;
            } else {
                logged.extend(revision_of(standing.note));
            }
        }
    }
    Ok(logged)
}

/// The revision that an instance's or a task's note names.
fn revision_of(note: serde_json::Value) -> Option<RevisionId> {
    let of_instance = serde_json::from_value::<instances::Note>(note.clone()).ok().map(|note| note.side.revision);
    of_instance.or_else(|| serde_json::from_value::<tasks::Note>(note).ok().map(|note| note.revision))
}

/// Forgets a workload: everything but what its releases shared, what stood before, and the fence.
pub(crate) async fn remove(inner: &Inner, track: &TrackRef, token: Token) -> Result<()> {
    let layout = inner.layout(track);
    let _guard = fence::enter(&*inner.host, &layout, token).await?;
    if let Some(runs) = inner.found(&layout).await?.into_iter().find(|found| found.standing.state.is_live()) {
        let words = format!("`{}` still runs: a workload is forgotten when all its instances are stopped", runs.id);
        return Err(Error::new(Kind::Busy, words).with("track", track));
    }
    let forgotten = [layout.instances(), layout.ended(), layout.tasks(), layout.current()];
    for path in forgotten.into_iter().chain([layout.releases(), layout.all_secrets(), layout.revisions()]) {
        inner.host.remove(&path).await?;
    }
    inner.ports.forget(&*inner.host, track).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(keep: Keep, ages_in_days: &[(i64, &str)], needed: &[&str]) -> Vec<String> {
        let now = Timestamp::from_second(2_000_000_000).expect("a time");
        let at = |days: i64| Timestamp::from_second(2_000_000_000 - days * 86_400).expect("a time");
        let revisions = ages_in_days.iter().map(|(days, id)| (at(*days), (*id).to_owned())).collect();
        keep.going(revisions, &needed.iter().map(|id| (*id).to_owned()).collect(), now)
    }

    #[test]
    fn what_is_beyond_the_newest_or_too_old_goes() {
        let keep = Keep { releases: 2, days: 30 };
        assert_eq!(going(keep, &[(1, "a"), (2, "b"), (3, "c"), (40, "d")], &[]), ["c", "d"]);
        assert_eq!(going(keep, &[(1, "a"), (40, "d")], &[]), ["d"]);
    }

    #[test]
    fn what_runs_or_is_needed_never_goes() {
        assert_eq!(going(Keep { releases: 0, days: 0 }, &[(1, "a"), (50, "b")], &["b"]), ["a"]);
    }
}
