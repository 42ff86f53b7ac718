//! Which program is run, and whether it can run at all.

use crate::artifact;
use crate::host::{Host, Looked, Shape};
use crate::layout::Layout;
use deploy_core::{Error, InstanceSpec, Kind, Result, RevisionId, Source};
use std::path::{Path, PathBuf};

/// A program with its arguments, and where its bits are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The program as it was asked for.
    pub(crate) named: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// The bits; none for a program that is there already.
    pub(crate) release: Option<PathBuf>,
}

impl Program {
    /// What an instance of a spec runs.
    pub(crate) fn of(spec: &InstanceSpec, layout: &Layout, revision: &RevisionId) -> Result<Self> {
        let (run, release) = match &spec.source {
            Source::Command(run) if spec.command.is_empty() => (run.clone(), None),
            Source::Command(_) => (spec.command.clone(), None),
            Source::Artifact(file) if spec.command.is_empty() && artifact::is_single(Path::new(&file.path)) => {
                let name = Path::new(&file.path).file_name().map(|name| name.to_string_lossy().into_owned());
                (name.into_iter().collect(), Some(layout.release(revision)))
            }
            Source::Artifact(_) | Source::Directory(_) => (spec.command.clone(), Some(layout.release(revision))),
            Source::Image(image) => return Err(not_here(image)),
        };
        Self::new(&run, release)
    }

    /// A program with its arguments, run with bits or without.
    pub(crate) fn new(run: &[String], release: Option<PathBuf>) -> Result<Self> {
        let Some((named, args)) = run.split_first().filter(|(named, _)| !named.is_empty()) else {
            let words = "there is no program to run: give `command`, the program's path in the release first";
            return Err(Error::invalid(words));
        };
        if run.iter().any(|word| word.contains('\0')) {
            return Err(Error::invalid("a program and its arguments cannot have a zero byte"));
        }
        Ok(Self { named: named.clone(), args: args.to_vec(), release })
    }

    /// Finds the program on the host, and refuses one that can never run. `tree` stands for the bits where they are not in place yet.
    pub(crate) async fn find(&self, host: &dyn Host, tree: Option<&Path>, path: &str) -> Result<PathBuf> {
        if let (None, Some(release)) = (tree, &self.release) {
            in_place(host, release).await?;
        }
        let mut seen = None;
        for candidate in self.candidates(tree, path)? {
            if let Some(looked) = host.look(&candidate).await? {
                seen = Some((candidate, looked));
                break;
            }
        }
        let (found, looked) = seen.ok_or_else(|| self.never("it is not there"))?;
        self.can_run(host, &looked).await?;
        let in_tree = tree.and_then(|tree| found.strip_prefix(tree).ok()).zip(self.release.as_ref());
        Ok(in_tree.map(|(relative, release)| release.join(relative)).unwrap_or(found))
    }

    /// Where it may be: in its release, at its absolute path, in the directories of `PATH`.
    fn candidates(&self, tree: Option<&Path>, path: &str) -> Result<Vec<PathBuf>> {
        if self.named.starts_with('/') {
            return Ok(vec![PathBuf::from(&self.named)]);
        }
        let relative = artifact::relative(&self.named).ok_or_else(|| {
            Error::invalid(format!("program `{}` leads outside the release: give a path inside it", self.named))
        })?;
        let release = tree.or(self.release.as_deref()).map(|tree| tree.join(&relative));
        if self.named.contains('/') {
            return release.map(|path| vec![path]).ok_or_else(|| {
                Error::invalid(format!("program `{}` is no absolute path and no name to be found in PATH", self.named))
            });
        }
        let searched = path.split(':').filter(|dir| dir.starts_with('/')).map(|dir| Path::new(dir).join(&relative));
        Ok(release.into_iter().chain(searched).collect())
    }

    async fn can_run(&self, host: &dyn Host, looked: &Looked) -> Result<()> {
        match looked.shape {
            Shape::Dir => return Err(self.never("it is a directory")),
            Shape::Other => return Err(self.never("it is no file")),
            Shape::File if looked.mode & 0o111 == 0 => {
                return Err(self.never(&format!("it may not be executed (mode {:o})", looked.mode)));
            }
            Shape::File => {}
        }
        if let Some(rest) = looked.head.strip_prefix(b"#!") {
            return self.interpreter(host, rest).await;
        }
        // What may be executed but not read cannot be judged from here.
        if looked.head.is_empty() || runs_here(host, &looked.head).await? {
            return Ok(());
        }
        Err(self.never("it is neither a program for this machine nor a script with `#!` in its first line"))
    }

    async fn interpreter(&self, host: &dyn Host, rest: &[u8]) -> Result<()> {
        let line = String::from_utf8_lossy(rest.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        let interpreter = line.split_whitespace().next().unwrap_or_default();
        if interpreter.starts_with('/') && host.look(Path::new(interpreter)).await?.is_some() {
            return Ok(());
        }
        Err(self.never(&format!("its interpreter `{interpreter}` is not there")))
    }

    fn never(&self, why: &str) -> Error {
        let place = if self.release.is_some() { "in the release" } else { "on this machine" };
        Error::new(Kind::Candidate, format!("program `{}` can never run {place}: {why}", self.named))
    }
}

/// Bits that were pruned, or never brought, are not the candidate's fault.
pub(crate) async fn in_place(host: &dyn Host, release: &Path) -> Result<()> {
    match host.look(release).await? {
        Some(_) => Ok(()),
        None => {
            Err(Error::new(Kind::NotFound, format!("{} is not there: prepare the revision again", release.display())))
        }
    }
}

/// Whether a head is that of an ELF program for the same kind of machine as `/bin/sh`; 32-bit ones run on its 64-bit kin.
async fn runs_here(host: &dyn Host, head: &[u8]) -> Result<bool> {
    let Some(machine) = machine(head) else { return Ok(false) };
    let shell = host.look(Path::new("/bin/sh")).await?.and_then(|shell| self::machine(&shell.head));
    let kin = |wide, narrow| shell == Some(wide) && machine == narrow;
    Ok(shell.is_none() || shell == Some(machine) || kin(X86_64, X86) || kin(AARCH64, ARM))
}

const X86: u16 = 3;
const ARM: u16 = 40;
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// The machine an ELF program is for.
fn machine(head: &[u8]) -> Option<u16> {
    let fields = head.strip_prefix(b"\x7fELF").and_then(|_| head.get(18..20))?;
    let fields = [fields[0], fields[1]];
    Some(if head[5] == 2 { u16::from_be_bytes(fields) } else { u16::from_le_bytes(fields) })
}

pub(crate) fn not_here(image: &str) -> Error {
    let words = format!("image `{image}` cannot run as a plain process: give an artifact, a directory or a command");
    Error::new(Kind::Unsupported, words)
}
