//! What every platform that runs tasks does with them.

use super::dropped;
use super::failure::Guarantee;
use super::programs::{LOOKS, PACE};
use super::report::{Held, Report};
use super::{Read, read};
use deploy_core::{Deployer, Fence, Instances, Kind, Result, Revision, TaskAct, TaskOutcome, TaskRun, Token, TrackRef};
use std::fmt;
use std::time::Duration;

const OUTCOME: Guarantee = Guarantee::Contract("a task's outcome is read from the platform");
const TOKEN: Token = Token::new(2, 1);
const LONG: Duration = Duration::from_secs(30);

type Words<K> = Box<dyn Fn(&K) -> Vec<String>>;

/// Programs that tasks run, for a platform that runs tasks.
pub struct Tasks<K> {
    run: Words<K>,
    ran: Read<K, u32>,
    fails: Option<Vec<String>>,
    lasts: Option<Vec<String>>,
}

impl<K> fmt::Debug for Tasks<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("fails", &self.fails).field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

impl<K> Tasks<K> {
    /// A program that ends well, and how often it was run in all on a platform: it leaves a trace, a line in a file.
    pub fn new<F: Future<Output = Result<u32>> + 'static>(
        run: impl Fn(&K) -> Vec<String> + 'static,
        ran: impl Fn(&K) -> F + 'static,
    ) -> Self {
        Self { run: Box::new(run), ran: read(ran), fails: None, lasts: None }
    }

    /// Declares a program that fails.
    #[must_use]
    pub fn fails(mut self, run: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fails = Some(run.into_iter().map(Into::into).collect());
        self
    }

    /// Declares a program that runs for minutes, until it is told to stop.
    #[must_use]
    pub fn lasts(mut self, run: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.lasts = Some(run.into_iter().map(Into::into).collect());
        self
    }
}

/// Whoever runs tasks.
#[derive(Clone, Copy)]
pub(super) enum Runner<'a> {
    Instances(&'a dyn Instances),
    Deployer(&'a dyn Deployer),
}

/// A platform under a step about tasks.
pub(super) struct Work<'a, K> {
    pub(super) runner: Runner<'a>,
    pub(super) keep: &'a K,
    pub(super) report: &'a Report,
    pub(super) track: &'a TrackRef,
    pub(super) revision: &'a Revision,
    pub(super) fence: Fence,
}

/// What is checked of tasks, each on a platform of its own.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Refused,
    Barred,
    Fenced,
    Once,
    Dropped,
    Failed,
    Late,
    Stopped,
}

impl Case {
    pub(super) const ALL: [Self; 8] =
        [Self::Refused, Self::Barred, Self::Fenced, Self::Once, Self::Dropped, Self::Failed, Self::Late, Self::Stopped];

    /// Begins the step. False where it cannot be taken, and that is told.
    pub(super) fn begin<K>(self, report: &Report, able: bool, tasks: Option<&Tasks<K>>) -> bool {
        let (guarantee, step) = self.step();
        report.step(guarantee, step);
        let missing = self.missing(able, tasks);
        if let Some(why) = missing {
            report.leave_out(why);
        }
        missing.is_none()
    }

    const fn step(self) -> (Guarantee, &'static str) {
        match self {
            Self::Refused => (Guarantee::G13, "a task is refused where none are run"),
            Self::Barred => (Guarantee::G6, "a task whose key was barred never runs"),
            Self::Fenced => (Guarantee::G7, "a task under an older token is refused, and never ran"),
            Self::Once => (Guarantee::G6, "a task runs once by its key, and its outcome stays"),
            Self::Dropped => (Guarantee::G6, "a task whose start was dropped is started again, and runs once"),
            Self::Failed => (OUTCOME, "a task that fails has failed, and is not run again"),
            Self::Late => (Guarantee::G5, "a task that takes longer than it may is stopped, and has failed"),
            Self::Stopped => (Guarantee::G6, "a task that is barred as it runs is stopped, and never runs again"),
        }
    }

    fn missing<K>(self, able: bool, tasks: Option<&Tasks<K>>) -> Option<&'static str> {
        match self {
            Self::Refused => able.then_some("it runs tasks"),
            _ if !able => Some("it runs no tasks"),
            Self::Barred | Self::Fenced => None,
            Self::Once | Self::Dropped => tasks.is_none().then_some("no program for tasks was declared (`tasks`)"),
            Self::Failed => {
                let fails = tasks.is_some_and(|tasks| tasks.fails.is_some());
                (!fails).then_some("no task that fails was declared (`Tasks::fails`)")
            }
            Self::Late | Self::Stopped => {
                let lasts = tasks.is_some_and(|tasks| tasks.lasts.is_some());
                (!lasts).then_some("no task that takes long was declared (`Tasks::lasts`)")
            }
        }
    }

    pub(super) async fn take<K>(self, work: &Work<'_, K>, tasks: Option<&Tasks<K>>) -> Held {
        let declared = |of: fn(&Tasks<K>) -> &Option<Vec<String>>| tasks.and_then(|tasks| of(tasks).as_deref());
        let (fails, lasts) = (declared(|tasks| &tasks.fails), declared(|tasks| &tasks.lasts));
        match (self, tasks) {
            (Self::Refused, _) => work.refused().await,
            (Self::Barred, _) => work.barred().await,
            (Self::Fenced, _) => work.fenced().await,
            (Self::Once, Some(tasks)) => work.once(tasks).await,
            (Self::Dropped, Some(tasks)) => work.dropped(tasks).await,
            (Self::Failed, _) => work.failed(fails.unwrap_or_default()).await,
            (Self::Late, _) => work.late(lasts.unwrap_or_default()).await,
            (Self::Stopped, _) => work.stopped(lasts.unwrap_or_default()).await,
            (Self::Once | Self::Dropped, None) => Ok(()),
        }
    }
}

impl<K> Work<'_, K> {
    fn run(&self, key: &str, run: &[String], timeout: Duration) -> TaskRun {
        let (track, revision) = (self.track.clone(), self.revision.clone());
        TaskRun { key: key.into(), track, run: run.to_vec(), revision, timeout }
    }

    async fn asked(&self, run: &TaskRun, act: TaskAct, token: Token) -> Held<Result<TaskOutcome>> {
        let asked = async {
            match self.runner {
                Runner::Instances(it) => it.task(run, act, token).await,
                Runner::Deployer(it) => it.task(run, act, token).await,
            }
        };
        self.report.call(format!("task({}, {act:?}, {token})", run.key), asked).await
    }

    async fn told(&self, run: &TaskRun, act: TaskAct) -> Held<TaskOutcome> {
        let told = self.asked(run, act, TOKEN).await?;
        self.report.done(told)
    }

    async fn is(&self, run: &TaskRun, act: TaskAct, expected: &TaskOutcome) -> Held {
        self.report.equal(&self.told(run, act).await?, expected)
    }

    /// Looks until it no longer runs.
    async fn ended(&self, run: &TaskRun) -> Held<TaskOutcome> {
        for _ in 0..LOOKS {
            match self.told(run, TaskAct::Look).await? {
                TaskOutcome::Running => tokio::time::sleep(PACE).await,
                outcome => return Ok(outcome),
            }
        }
        Err(self.report.broken(format_args!("after {LOOKS} looks it runs"), "it has ended"))
    }

    async fn started(&self, run: &TaskRun) -> Held {
        let outcome = self.told(run, TaskAct::Start).await?;
        let started = !matches!(outcome, TaskOutcome::NotStarted | TaskOutcome::Barred | TaskOutcome::Unknown);
        self.report.holds(started, format_args!("{outcome:?}"), "it was started")
    }

    async fn ran(&self, tasks: &Tasks<K>, times: u32) -> Held {
        let ran = self.report.done((tasks.ran)(self.keep).await)?;
        self.report.note(format!("it was run {ran} times"));
        self.report.holds(ran == times, format_args!("it was run {ran} times"), times)
    }

    async fn refused(&self) -> Held {
        let run = self.run("d1/1/migrate", &["true".into()], LONG);
        let told = self.asked(&run, TaskAct::Start, TOKEN).await?;
        self.report.refused(told, &[Kind::Unsupported]).map(drop)
    }

    async fn barred(&self) -> Held {
        let run = self.run("d1/1/migrate", &["true".into()], LONG);
        self.is(&run, TaskAct::Look, &TaskOutcome::NotStarted).await?;
        for act in [TaskAct::Bar, TaskAct::Start, TaskAct::Look] {
            self.is(&run, act, &TaskOutcome::Barred).await?;
        }
        Ok(())
    }

    async fn fenced(&self) -> Held {
        if self.fence == Fence::None {
            self.report.leave_out("the platform refuses no token (`fence` is none)");
            return Ok(());
        }
        let raised = match self.runner {
            Runner::Instances(it) => it.fence(self.track, TOKEN).await,
            Runner::Deployer(it) => it.fence(self.track, TOKEN).await,
        };
        self.report.done(raised)?;
        let run = self.run("d1/1/migrate", &["true".into()], LONG);
        for act in [TaskAct::Start, TaskAct::Bar] {
            self.report.refused(self.asked(&run, act, Token::new(1, 9)).await?, &[Kind::Fenced])?;
        }
        self.is(&run, TaskAct::Look, &TaskOutcome::NotStarted).await
    }

    async fn once(&self, tasks: &Tasks<K>) -> Held {
        self.done(tasks).await?;
        self.stays_done(tasks).await?;
        let other = self.run("d2/1/migrate", &(tasks.run)(self.keep), LONG);
        self.started(&other).await?;
        self.report.equal(&self.ended(&other).await?, &TaskOutcome::Done)?;
        self.ran(tasks, 2).await
    }

    /// Runs the first task to its end.
    pub(super) async fn done(&self, tasks: &Tasks<K>) -> Held {
        let run = self.run("d1/1/migrate", &(tasks.run)(self.keep), LONG);
        self.is(&run, TaskAct::Look, &TaskOutcome::NotStarted).await?;
        self.started(&run).await?;
        self.started(&run).await?;
        self.report.equal(&self.ended(&run).await?, &TaskOutcome::Done)?;
        self.ran(tasks, 1).await
    }

    /// What was done stays so, and is not done again.
    pub(super) async fn stays_done(&self, tasks: &Tasks<K>) -> Held {
        let run = self.run("d1/1/migrate", &(tasks.run)(self.keep), LONG);
        for act in [TaskAct::Look, TaskAct::Start, TaskAct::Bar, TaskAct::Start] {
            self.is(&run, act, &TaskOutcome::Done).await?;
        }
        self.ran(tasks, 1).await
    }

    async fn dropped(&self, tasks: &Tasks<K>) -> Held {
        for polls in 1..=dropped::POLLS_OF_PLATFORM {
            let run = self.run(&format!("d{polls}/1/migrate"), &(tasks.run)(self.keep), LONG);
            let dropped = async {
                match self.runner {
                    Runner::Instances(it) => it.task(&run, TaskAct::Start, TOKEN).await,
                    Runner::Deployer(it) => it.task(&run, TaskAct::Start, TOKEN).await,
                }
            };
            let ended = dropped::after(polls, dropped).await.is_some();
            self.report.note(format!("task({}, Start) dropped after {polls} polls, ended: {ended}", run.key));
            self.started(&run).await?;
            self.report.equal(&self.ended(&run).await?, &TaskOutcome::Done)?;
            self.ran(tasks, polls).await?;
            if ended {
                return Ok(());
            }
        }
        self.report.left_out(
            "drops of a task's start after more polls",
            format!("more than {} polls", dropped::POLLS_OF_PLATFORM),
        );
        Ok(())
    }

    async fn failed(&self, fails: &[String]) -> Held {
        let run = self.run("d1/1/smoke", fails, LONG);
        self.started(&run).await?;
        let first = self.ended(&run).await?;
        self.report.holds(matches!(first, TaskOutcome::Failed(_)), format_args!("{first:?}"), "Failed")?;
        let again = self.told(&run, TaskAct::Start).await?;
        self.report.holds(matches!(again, TaskOutcome::Failed(_)), format_args!("{again:?}"), "Failed: it ended")
    }

    async fn late(&self, lasts: &[String]) -> Held {
        let run = self.run("d1/1/backup", lasts, Duration::from_millis(300));
        self.started(&run).await?;
        let outcome = self.ended(&run).await?;
        self.report.holds(matches!(outcome, TaskOutcome::Failed(_)), format_args!("{outcome:?}"), "Failed: it was late")
    }

    async fn stopped(&self, lasts: &[String]) -> Held {
        let run = self.run("d1/1/backup", lasts, LONG);
        self.started(&run).await?;
        self.is(&run, TaskAct::Look, &TaskOutcome::Running).await?;
        let barred = self.told(&run, TaskAct::Bar).await?;
        let way = matches!(barred, TaskOutcome::Barred | TaskOutcome::Running);
        self.report.holds(way, format_args!("{barred:?}"), "Barred, or Running until it has stopped")?;
        self.report.equal(&self.ended(&run).await?, &TaskOutcome::Barred)?;
        self.is(&run, TaskAct::Start, &TaskOutcome::Barred).await
    }
}
