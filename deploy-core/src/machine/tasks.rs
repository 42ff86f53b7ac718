//! Tasks around a step, and their way back.

use super::look::Sight;
use crate::{Revision, Task, TaskOutcome, TaskRun, What, Whose, time};

impl Sight<'_> {
    /// The stable key of a task: unique over all deployments.
    pub(super) fn task_key(&self, task: &Task) -> String {
        let back = if self.is_back() { "back/" } else { "" };
        format!("{}/{}@{}/{back}{}", self.record().id, self.name.workload, self.name.target, task.name)
    }

    /// A task as the platform is asked for it.
    pub(super) fn task_run(&self, task: &Task) -> TaskRun {
        let parties = match task.of {
            Whose::Candidate => [&self.planned.candidate, &self.planned.stable],
            Whose::Stable => [&self.planned.stable, &self.planned.candidate],
        };
        let revision =
            parties.into_iter().flatten().next().map_or_else(Revision::adopted, |party| party.revision.clone());
        TaskRun {
            key: self.task_key(task),
            track: self.name.clone(),
            run: task.run.clone(),
            revision,
            timeout: task.timeout,
        }
    }

    /// The first task from an index on that was not done already: a stage that is taken up again repeats none.
    pub(super) fn due<'t>(&self, tasks: &'t [Task], index: usize) -> Option<&'t Task> {
        let done = |task: &Task| {
            let begun = self.record().tasks.get(&self.task_key(task));
            begun.is_some_and(|begun| begun.outcome == Some(TaskOutcome::Done))
        };
        tasks.iter().skip(index).find(|task| !done(task))
    }

    /// What happens to the task that is due.
    pub(super) fn task_due(&self, task: &Task) -> Vec<What> {
        let key = self.task_key(task);
        let Some(begun) = self.record().tasks.get(&key) else {
            let undo = self.is_back();
            return if self.is_held_up() {
                Vec::new()
            } else {
                vec![What::TaskBegan { track: self.name.clone(), key, name: task.name.to_string(), undo }]
            };
        };
        if let Some(outcome) = &begun.outcome {
            return self.task_over(task, outcome);
        }
        match self.seen.tasks.get(&key) {
            Some(outcome @ (TaskOutcome::Done | TaskOutcome::Failed(_) | TaskOutcome::Barred)) => {
                self.task_ended(key, outcome.clone())
            }
            other if self.is_overdue(task) => {
                let words = late_words(task, other.unwrap_or(&TaskOutcome::Unknown));
                self.fail(&format!("task {} is late: {words}", task.name), crate::Disposition::Candidate)
            }
            _ => Vec::new(),
        }
    }

    /// Whether a task that was begun has had its time. Its end is not known then: it may still run, or start.
    pub(super) fn is_overdue(&self, task: &Task) -> bool {
        let begun = self.record().tasks.get(&self.task_key(task));
        begun.is_some_and(|begun| self.look.now >= time::after(begun.began, task.timeout))
    }

    pub(super) fn task_ended(&self, key: String, outcome: TaskOutcome) -> Vec<What> {
        vec![What::TaskEnded { track: self.name.clone(), key, outcome }]
    }

    /// A task that ended otherwise than well: the point stays at it, so it is found here.
    fn task_over(&self, task: &Task, outcome: &TaskOutcome) -> Vec<What> {
        match outcome {
            TaskOutcome::Failed(words) => {
                self.fail(&format!("task {} failed: {words}", task.name), crate::Disposition::Candidate)
            }
            TaskOutcome::Barred => self.fail(&format!("task {} was barred", task.name), crate::Disposition::User),
            _ => Vec::new(),
        }
    }

    /// A forward task whose end is not known: it is barred or awaited before anything is undone.
    pub(super) fn unbarred(&self) -> Option<(&String, &crate::TaskState)> {
        let mine = format!("{}/{}@{}/", self.record().id, self.name.workload, self.name.target);
        self.record().tasks.iter().find(|(key, task)| key.starts_with(&mine) && !task.undo && task.outcome.is_none())
    }

    /// The task of a key, as it stands in the plan's forward way.
    pub(super) fn forward_task(&self, name: &str) -> Option<&Task> {
        let steps = self.planned.before.iter().chain(&self.planned.after).map(|stage| &stage.stage.step);
        steps.flat_map(|step| step.before.iter().chain(&step.after)).find(|task| task.name == *name)
    }

    /// A forward task under its forward key, to be barred on the way back.
    pub(super) fn barred_run(&self, key: &str, name: &str) -> Option<TaskRun> {
        let task = self.forward_task(name)?;
        Some(TaskRun { key: key.to_owned(), ..self.task_run(task) })
    }

    /// What came of barring.
    pub(super) fn barring(&self) -> Vec<What> {
        let Some((key, _)) = self.unbarred() else { return Vec::new() };
        match self.seen.tasks.get(key) {
            Some(outcome @ (TaskOutcome::Done | TaskOutcome::Failed(_) | TaskOutcome::Barred)) => {
                self.task_ended(key.clone(), outcome.clone())
            }
            _ => Vec::new(),
        }
    }
}

fn late_words(task: &Task, outcome: &TaskOutcome) -> String {
    let state = match outcome {
        TaskOutcome::Unknown => "its state is unknown",
        TaskOutcome::NotStarted => "it never started",
        _ => "it still runs",
    };
    format!("{state} after {}", time::show(task.timeout))
}
