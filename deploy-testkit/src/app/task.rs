//! A task that runs once and ends.

use super::settings::Task;
use deploy_core::{Error, Kind, Result, Timestamp};
use std::{fs::OpenOptions, io::Write, path::Path, process};

impl Task {
    /// Runs it: appends its line, takes its time, and says whether it did well.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be written.
    ///
    /// # Cancel safety
    /// The line is written before the first await: a cancelled task has started.
    pub async fn run(&self) -> Result<bool> {
        if let Some(log) = &self.log {
            self.append(log)?;
        }
        tokio::time::sleep(self.takes).await;
        Ok(!self.fails)
    }

    fn append(&self, log: &Path) -> Result<()> {
        let line = format!("{} {} {}\n", self.name, process::id(), Timestamp::now());
        let mut open = OpenOptions::new();
        let written = open.create(true).append(true).open(log).and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|e| {
            let message = format!("cannot append to {}; the task's log must be writable", log.display());
            Error::new(Kind::Unavailable, message).from_source(e)
        })
    }
}
