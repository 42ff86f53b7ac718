//! Tasks as a simulated platform runs them.

use super::world::World;
use deploy_core::time::after;
use deploy_core::{TaskAct, TaskOutcome, TaskRun, Timestamp};

/// A task that was started, or barred, as the platform has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// It ends then.
    pub ends: Timestamp,
    /// How it ends.
    pub outcome: TaskOutcome,
    /// How often it was started in effect.
    pub started: u32,
}

impl World {
    pub(super) fn errand(&mut self, run: &TaskRun, act: TaskAct) -> TaskOutcome {
        let (now, key) = (self.now, run.key.clone());
        let ends = after(now, self.dice.millis(100, 20_000));
        let outcome = if self.dice.chance(self.failing_tasks) {
            TaskOutcome::Failed("exit status 1".into())
        } else {
            TaskOutcome::Done
        };
        match (act, self.errands.get_mut(&key)) {
            (TaskAct::Start, None) => {
                self.trail.note(now, format!("task {key} starts"));
                self.undo_in_order(run);
                self.tasks_are_known(run);
                self.errands.insert(key, Errand { ends, outcome, started: 1 });
                TaskOutcome::Running
            }
            (TaskAct::Look, None) => TaskOutcome::NotStarted,
            (TaskAct::Bar, None) => {
                self.trail.note(now, format!("task {key} is barred before it began"));
                self.errands.insert(key, Errand { ends: now, outcome: TaskOutcome::Barred, started: 0 });
                TaskOutcome::Barred
            }
            (TaskAct::Bar, Some(errand)) if errand.ends > now => {
                self.trail.note(now, format!("task {key} is barred as it runs"));
                (errand.ends, errand.outcome) = (now, TaskOutcome::Barred);
                TaskOutcome::Barred
            }
            (_, Some(errand)) if errand.ends > now => TaskOutcome::Running,
            (_, Some(errand)) => errand.outcome.clone(),
        }
    }

    /// G6: no undo starts while what it undoes runs or may still start.
    fn undo_in_order(&mut self, run: &TaskRun) {
        let Some((before, name)) = run.key.split_once("/back/") else { return };
        let Some(first) = name.strip_suffix("-undo") else { return };
        let key = format!("{before}/{first}");
        let over = self.errands.get(&key).is_some_and(|errand| errand.ends <= self.now);
        if !over {
            self.trail.broken(self.now, "G6", format!("{} starts while {key} runs or may start", run.key));
        }
    }

    /// G13: a platform that runs no tasks is asked for none.
    fn tasks_are_known(&mut self, run: &TaskRun) {
        if !self.capabilities(&run.track).tasks {
            self.trail.broken(self.now, "G13", format!("{} is started on a platform that runs no tasks", run.key));
        }
    }
}
