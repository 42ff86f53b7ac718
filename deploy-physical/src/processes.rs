//! Plain processes as services.
//!
//! # How it works
//!
//! A program is the child of a small supervisor, `/bin/sh` with two fixed scripts; everything of the user's is handed over as
//! positional parameters, so nothing of it is read by a shell.
//!
//! ```text
//! engine ── sh (supervisor, leads a process group of its own) ── sh, which becomes the program by exec
//!            waits; writes `exit`; ends what is left of the        writes its /proc/self/stat to `process`,
//!            group (SIGKILL), itself with it                       gives way if `barred` stands, then exec
//! ```
//!
//! * **Outliving.** Neither depends on the engine: output goes straight to the file `log`, and the supervisor records how the
//!   program ended, whether an engine lives or not. While the engine that started it lives it also reaps the supervisor;
//!   later init does.
//! * **Found again** by number, start time (both in `process`) and mark (the variable `DEPLOY_INSTANCE`); before a signal
//!   they are checked once more through a pidfd, so a number that went to another process is never taken for ours.
//! * **At most once.** The program does not run before `process` is written into its directory. Removing the directory, or
//!   writing `barred` into it, therefore keeps a start that is still under way from ever running.
//! * **Stopping** signals the program alone, not its children, as init systems do in their mixed mode; when it has ended, what
//!   it left in its process group is killed. What moved to a group of its own is not followed.
//!
//! # Limits
//!
//! A shell knows an end by a signal only as 128 + its number, so an exit status from 129 to 192 is told as that signal. A
//! killed supervisor leaves the program running and known; its exit status is unknown then, and its children stay. There is a process group but
//! no session of its own (that takes a program that is not on every host), so a program may still open the
//! controlling terminal the engine was started from. Logs are cut when the engine looks: each may take up to twice its bound,
//! more while no engine looks, and a line written at the very moment of the cut may be lost.

use crate::error::corrupt;
use crate::host::{Files, Host, MARK, Process, Run, Signal, Tail};
use crate::procfs::Stat;
use crate::services::{Service, ServiceManager, Standing, State};
use async_trait::async_trait;
use deploy_core::{Exit, Result, Timestamp, time};
use futures::future::join;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs the program, records how it ended, ends what is left of its group. `$1` is the other script, `$2` the directory,
/// the rest the program with its arguments.
const SUPERVISOR: &str = r#"trap : HUP INT QUIT TERM USR1 USR2
/bin/sh -c "$1" deploy "$@"
echo "$?" >"$2/exit"
kill -s KILL 0"#;

/// Says who it is, then becomes the program. Its parameters are the supervisor's.
const PROGRAM: &str = r#"IFS= read -r DEPLOY_STAT </proc/$$/stat && echo "$DEPLOY_STAT" >"$2/process" || exit 126
[ -e "$2/barred" ] && exit 125
unset DEPLOY_STAT
shift 2
exec "$@""#;

const FILES: [&str; 5] = ["service", "process", "ending", "stopping", "exit"];

/// How long a start may be under way before it is taken for one that never came to run.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// Plain processes, as a [`ServiceManager`]. See the module's page for how they outlive the engine.
#[derive(Debug, Clone)]
pub struct Processes {
    host: Arc<dyn Host>,
    log_most: u64,
}

/// What is written of a service when it is asked for.
#[derive(Serialize, Deserialize)]
struct Asked {
    asked: Timestamp,
    mark: String,
    note: serde_json::Value,
}

/// All that is known of one program.
struct Known {
    asked: Asked,
    program: Option<Process>,
    supervisor: Option<Process>,
    /// It is to end; it may not have been told yet.
    ending: bool,
    /// When it was told.
    stopping: Option<Timestamp>,
    exit: Option<Exit>,
}

impl Processes {
    /// Processes on a host, each log cut at so many bytes.
    pub fn new(host: Arc<dyn Host>, log_most: u64) -> Self {
        Self { host, log_most }
    }

    async fn known(&self, dir: &Path) -> Result<Option<Known>> {
        Known::read(dir, &self.host.files(dir, &FILES).await?)
    }

    async fn stand(&self, known: &Known) -> Result<State> {
        let processes: Vec<_> = known.program.iter().chain(&known.supervisor).cloned().collect();
        let alive = self.host.alive(&processes).await?;
        Ok(known.state(alive.contains(&true), Timestamp::now()))
    }

    /// Of those whose end is not recorded, whose program lives; of the rest, whose supervisor does.
    async fn living(&self, known: &BTreeMap<String, Known>) -> Result<BTreeSet<String>> {
        let mut living = BTreeSet::new();
        for pick in [|known: &Known| known.program.clone(), |known: &Known| known.supervisor.clone()] {
            let open = known.iter().filter(|(name, known)| known.exit.is_none() && !living.contains(*name));
            let (names, asked): (Vec<_>, Vec<_>) = open.filter_map(|(name, known)| Some((name, pick(known)?))).unzip();
            if asked.is_empty() {
                break;
            }
            let alive = self.host.alive(&asked).await?;
            living.extend(names.into_iter().zip(alive).filter(|(_, alive)| *alive).map(|(name, _)| name.clone()));
        }
        Ok(living)
    }
}

#[async_trait]
impl ServiceManager for Processes {
    async fn start(&self, service: &Service) -> Result<()> {
        let dir = &service.dir;
        self.host.make_dir(dir, 0o700).await?;
        let asked = Asked { asked: Timestamp::now(), mark: service.mark.clone(), note: service.note.clone() };
        let file = dir.join("service");
        let asked = serde_json::to_vec(&asked).map_err(|error| corrupt(&file, error))?;
        self.host.write(&file, &asked, 0o600).await?;
        if let Err(error) = self.host.start(&supervised(service), &dir.join("log")).await {
            self.host.remove(dir).await?;
            return Err(error);
        }
        Ok(())
    }

    async fn started(&self, dir: &Path) {
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until && matches!(self.known(dir).await, Ok(Some(Known { program: None, .. }))) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn look(&self, dir: &Path) -> Result<Option<Standing>> {
        let Some(mut known) = self.known(dir).await? else { return Ok(None) };
        let mut state = self.stand(&known).await?;
        if state == State::Ended(Exit::default()) {
            // It may have ended, and its end been written, between the two questions.
            let Some(again) = self.known(dir).await? else { return Ok(None) };
            known = again;
            state = known.exit.map_or(state, State::Ended);
        }
        Ok(Some(known.standing(state)))
    }

    async fn list(&self, under: &Path) -> Result<BTreeMap<String, Standing>> {
        let (trimmed, gathered) =
            join(self.host.trim(under, "log", self.log_most), self.host.gather(under, &FILES)).await;
        trimmed?;
        let mut known = BTreeMap::new();
        for (name, files) in gathered? {
            known.extend(Known::read(&under.join(&name), &files)?.map(|known| (name, known)));
        }
        let living = self.living(&known).await?;
        let mut found = BTreeMap::new();
        for (name, known) in known {
            let standing = match known.state(living.contains(&name), Timestamp::now()) {
                State::Ended(exit) if exit == Exit::default() => self.look(&under.join(&name)).await?,
                state => Some(known.standing(state)),
            };
            found.extend(standing.map(|standing| (name, standing)));
        }
        Ok(found)
    }

    async fn notes(&self, under: &Path) -> Result<Vec<serde_json::Value>> {
        let mut notes = Vec::new();
        for (name, files) in self.host.gather(under, &["service"]).await? {
            notes.extend(Known::read(&under.join(&name), &files)?.map(|known| known.asked.note));
        }
        Ok(notes)
    }

    async fn stop(&self, dir: &Path, grace: Duration) -> Result<()> {
        // One that is just being started has no process yet that could be told.
        self.started(dir).await;
        let Some(known) = self.known(dir).await? else { return Ok(()) };
        let Some(program) = &known.program else { return Ok(()) };
        let now = Timestamp::now();
        match known.stopping {
            None => {
                // Killed before the first note, nothing was done; after it, its end is none of its own, whatever it ends
                // by; before the second, we signal again rather than never.
                self.host.write(&dir.join("ending"), b"", 0o600).await?;
                self.host.signal(program, Signal::Term).await?;
                self.host.write(&dir.join("stopping"), now.to_string().as_bytes(), 0o600).await
            }
            Some(since) if now >= time::after(since, grace) => self.host.signal(program, Signal::Kill).await.map(drop),
            Some(_) => Ok(()),
        }
    }

    async fn log(&self, dir: &Path, most: u64) -> Result<Tail> {
        let newest = self.host.tail(&dir.join("log"), most).await?.unwrap_or(Tail { bytes: Vec::new(), cut: false });
        if newest.cut {
            return Ok(newest);
        }
        let room = most.saturating_sub(newest.bytes.len() as u64);
        let Some(mut older) = self.host.tail(&dir.join("log.1"), room).await? else { return Ok(newest) };
        older.bytes.extend(newest.bytes);
        Ok(older)
    }

    async fn ended(&self, dir: &Path) {
        let Ok(Some(known)) = self.known(dir).await else { return };
        for process in known.program.iter().chain(&known.supervisor) {
            self.host.ended(process).await;
        }
        if known.program.is_none() {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

fn supervised(service: &Service) -> Run {
    let dir = service.dir.to_string_lossy().into_owned();
    let program = service.run.program.to_string_lossy().into_owned();
    let fixed = ["-c".to_owned(), SUPERVISOR.to_owned(), "deploy".to_owned(), PROGRAM.to_owned(), dir, program];
    let args = fixed.into_iter().chain(service.run.args.iter().cloned()).collect();
    let mut run = Run { program: PathBuf::from("/bin/sh"), args, ..service.run.clone() };
    run.env.insert(MARK.to_owned(), service.mark.clone());
    run
}

impl Known {
    /// Reads what stands in a directory; none where nothing was asked for there.
    fn read(dir: &Path, files: &Files) -> Result<Option<Self>> {
        let Some(asked) = files.get("service") else { return Ok(None) };
        let asked: Asked = serde_json::from_slice(asked).map_err(|error| corrupt(&dir.join("service"), error))?;
        let stat = whole_line(files, "process").and_then(|line| Stat::parse(&line));
        let process = |pid, started| Process { pid, started, mark: asked.mark.clone() };
        Ok(Some(Self {
            program: stat.map(|stat| process(stat.pid, Some(stat.started))),
            supervisor: stat.map(|stat| process(stat.parent, None)),
            ending: files.contains_key("ending"),
            stopping: files.get("stopping").and_then(|text| String::from_utf8_lossy(text).parse().ok()),
            exit: whole_line(files, "exit").and_then(|line| line.parse().ok()).map(exit),
            asked,
        }))
    }

    /// How it stands, told whether its program or its supervisor lives.
    fn state(&self, lives: bool, now: Timestamp) -> State {
        let under_way = now < time::after(self.asked.asked, UNDER_WAY);
        match (self.exit, &self.program, self.stopping) {
            (Some(exit), ..) => State::Ended(exit),
            (None, None, _) if under_way => State::Running,
            (None, None, _) => State::Never,
            (None, Some(_), _) if !lives => State::Ended(Exit::default()),
            (None, Some(_), Some(since)) => State::Stopping(since),
            (None, Some(_), None) => State::Running,
        }
    }

    fn standing(self, state: State) -> Standing {
        Standing { asked: self.asked.asked, asked_to_end: self.ending, note: self.asked.note, state }
    }
}

/// The line of a file; none while it is still being written.
fn whole_line(files: &Files, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(files.get(name)?);
    text.strip_suffix('\n').map(str::to_owned)
}

/// What a shell says of an end.
const fn exit(status: i32) -> Exit {
    match status {
        129..=192 => Exit { code: None, signal: Some(status - 128) },
        _ => Exit { code: Some(status), signal: None },
    }
}
