//! What a run writes down in `docs/reports`.

use crate::place::Place;
use crate::report::Report;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs something that is told the seconds since 1970, writes down how it went and what it measured, and adds it to the whole.
pub(crate) fn written(place: &Place, whole: &mut Report, kind: &str, run: impl FnOnce(&mut Report, u64)) {
    let (paper, mut report) = (Paper::begin(place, kind), Report::default());
    run(&mut report, paper.begun);
    let seed = std::env::var("DEPLOY_SEED").unwrap_or_else(|_| paper.begun.to_string());
    let mut page = format!("# {kind}\n\n{}* seed: {seed}\n* result: {}\n", paper.head, report.line(place.ci));
    page.extend(report.failures().iter().map(|name| format!("* failed: {name}\n")));
    page.extend(report.left_out().map(|what| format!("* not run: {what}\n")));
    page += "\n## Figures\n\n";
    page.extend(report.figures.iter().map(|figure| format!("* {figure}\n")));
    paper.write(place, &page);
    whole.add(report);
}

/// A page about one run.
#[derive(Debug)]
pub(crate) struct Paper {
    kind: String,
    /// When the run began, in seconds since 1970.
    pub(crate) begun: u64,
    /// The lines about when, what and where: the time, the commit, the machine.
    pub(crate) head: String,
}

impl Paper {
    /// Of a run that begins now: `soak` for `soak-<time>.md`.
    pub(crate) fn begin(place: &Place, kind: &str) -> Self {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { kind: kind.to_owned(), begun, head: head(place, begun) }
    }

    /// Writes it, and says where it is.
    pub(crate) fn write(&self, place: &Place, page: &str) {
        let folder = place.root.join("docs/reports");
        let path = folder.join(format!("{}-{}.md", self.kind, self.begun));
        match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, page)) {
            Ok(()) => println!("report: {}", path.display()),
            Err(error) => println!("the report could not be written to {}: {error}", path.display()),
        }
    }
}

fn head(place: &Place, begun: u64) -> String {
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&place.root).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let dirty = if told("git", &["status", "--porcelain"]).is_empty() { "" } else { ", with changes" };
    let time = told("date", &["-u", "-d", &format!("@{begun}"), "+%Y-%m-%dT%H:%M:%SZ"]);
    let commit = told("git", &["rev-parse", "HEAD"]);
    format!("* begun: {time}\n* commit: {commit}{dirty}\n* machine: {}\n", machine())
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
    format!("{cores} cores, {} MiB, {}", total.unwrap_or(0) / 1024, std::env::consts::ARCH)
}

/// The load of the machine: 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
