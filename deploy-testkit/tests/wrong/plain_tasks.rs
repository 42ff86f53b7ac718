//! Tasks in memory.

use super::plain::Fault;
use deploy_core::{TaskAct, TaskOutcome, TaskRun};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Tasks by their keys. `well` ends well, `fails` fails, `lasts` goes on until it is stopped.
#[derive(Debug, Default)]
pub struct Errands {
    all: BTreeMap<String, Errand>,
    ran: u32,
}

#[derive(Debug, Clone)]
struct Errand {
    program: String,
    begun: Option<Instant>,
    barred: bool,
}

impl Errands {
    /// How often `well` was run.
    pub const fn ran(&self) -> u32 {
        self.ran
    }

    pub fn forget(&mut self) {
        self.all.clear();
    }

    pub const fn count(&mut self) {
        self.ran += 1;
    }

    pub const fn uncount(&mut self) {
        self.ran -= 1;
    }

    pub fn act(&mut self, run: &TaskRun, act: TaskAct, fault: Option<Fault>) -> TaskOutcome {
        let program = run.run.first().cloned().unwrap_or_default();
        let known = self.all.get(&run.key).cloned();
        let again = |errand: &Errand| match fault {
            Some(Fault::RunsAgain) => errand.begun.is_some(),
            Some(Fault::RunsTheBarred) => errand.barred,
            _ => false,
        };
        match (act, known) {
            (TaskAct::Start, known) if known.as_ref().is_none_or(again) => {
                self.ran += u32::from(program == "well");
                self.all.insert(run.key.clone(), Errand { program, begun: Some(Instant::now()), barred: false });
                TaskOutcome::Running
            }
            (TaskAct::Look | TaskAct::Start, None) => TaskOutcome::NotStarted,
            (TaskAct::Bar, None) => {
                self.all.insert(run.key.clone(), Errand { program, begun: None, barred: true });
                TaskOutcome::Barred
            }
            (act, Some(mut errand)) => {
                let outcome = errand.outcome(run, fault);
                if act == TaskAct::Bar && outcome == TaskOutcome::Running && fault != Some(Fault::BarsNothing) {
                    errand.barred = true;
                    self.all.insert(run.key.clone(), errand);
                    return TaskOutcome::Barred;
                }
                outcome
            }
        }
    }
}

impl Errand {
    fn outcome(&self, run: &TaskRun, fault: Option<Fault>) -> TaskOutcome {
        let late = self.begun.is_some_and(|begun| begun.elapsed() >= run.timeout);
        match self.program.as_str() {
            _ if self.barred => TaskOutcome::Barred,
            "lasts" if late && fault != Some(Fault::NeverLate) => TaskOutcome::Failed("it took too long".into()),
            "lasts" => TaskOutcome::Running,
            "fails" if fault != Some(Fault::FailureIsSuccess) => TaskOutcome::Failed("exit status 1".into()),
            _ => TaskOutcome::Done,
        }
    }
}
