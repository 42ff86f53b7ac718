//! A plan as a table that a person can read.

use crate::orders::{Frame, Standing, Taken, bounds, divide};
use crate::{Back, Count, Evidence, Plan, PlanStage, Track, TrackRef, Traffic, time};
use std::fmt;

const HEAD: [&str; 9] = ["", "stable", "candidate", "traffic", "ready", "known by", "holds", "until", "way back"];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.made_at.strftime("%H:%M:%SZ");
        writeln!(
            f,
            "{} {} -> {} · made from what ran at {made} · release {}",
            self.scope.application, self.version, self.scope.environment, self.release
        )?;
        if self.is_empty() {
            return writeln!(f, "nothing is to be done: everything is as asked");
        }
        for (number, wave) in self.waves.iter().enumerate() {
            if self.waves.len() > 1 {
                writeln!(f, "\nwave {} of {}", number + 1, self.waves.len())?;
            }
            for name in wave {
                let Some(track) = self.tracks.get(name) else { continue };
                writeln!(f)?;
                write_table(f, &rows(name, track))?;
            }
        }
        writeln!(
            f,
            "\nthe whole way takes at most {}, the way back {}",
            time::show(self.deadline),
            time::show(self.back_deadline)
        )
    }
}

type Row = Vec<String>;

fn rows(name: &TrackRef, track: &Track) -> Vec<Row> {
    let title = format!("{} on {} · {}", name.workload, name.target, track.strategy);
    let mut rows = vec![std::iter::once(title).chain(HEAD.iter().skip(1).map(|head| (*head).to_owned())).collect()];
    let mut standing = Standing::before(track);
    let stages = track.before.iter().map(|stage| (stage, true)).chain(track.after.iter().map(|stage| (stage, false)));
    for (number, (stage, before)) in stages.enumerate() {
        if number == track.before.len() {
            rows.push(vec!["── commit: all workloads together ──".into()]);
        }
        let row = stage_row(track, stage, number + 1, before, &mut standing);
        rows.extend(tasks(stage, true));
        rows.push(row);
        rows.extend(tasks(stage, false));
    }
    rows
}

fn tasks(stage: &PlanStage, before: bool) -> impl Iterator<Item = Row> {
    let step = &stage.stage.step;
    let tasks = if before { &step.before } else { &step.after };
    tasks.iter().map(|task| vec![format!("    task {}: {}", task.name, task.run.join(" "))])
}

fn stage_row(track: &Track, stage: &PlanStage, number: usize, before: bool, standing: &mut Standing) -> Row {
    let step = &stage.stage.step;
    let taken = Taken::by_release(track, stage);
    let frame = Frame { from: stage.from.as_ref(), to: stage.to.as_ref() };
    let lines = divide(&step.desired, taken, standing, frame);
    let baseline = standing.counts.values().sum();
    let limits = bounds(&lines, &step.budget, taken.greater(), baseline, 0);
    let name = if step.name.is_empty() { "a stage" } else { &step.name };
    let from = if stage.from.is_some() { step.desired.stable.of(taken.from) } else { 0 };
    let to = if stage.to.is_some() { taken.candidate(step.desired.candidate) } else { 0 };
    let shown =
        |count: u32| if track.is_serverless() && count > 0 { Count::Platform.to_string() } else { count.to_string() };
    let row = vec![
        format!("  {number} {name}"),
        shown(from),
        shown(to),
        step.desired.traffic.to_string(),
        format!("{}..{}", limits.floor, limits.ceiling),
        known_by(track),
        holds(stage),
        format!("+{}", time::show(step.deadline)),
        if before { way_back(stage) } else { "a new deployment".into() },
    ];
    if let Some(last) = lines.last() {
        *standing = standing.after(last, frame);
    }
    row
}

fn known_by(track: &Track) -> String {
    let can = &track.made_from.capabilities;
    match (track.routed, can.evidence) {
        (false, _) => "-".into(),
        (true, Evidence::DataPlane) => can.evidence.to_string(),
        (true, evidence) => format!("{evidence}, then {}", time::show(track.followed())),
    }
}

fn holds(stage: &PlanStage) -> String {
    let holds = &stage.stage.holds;
    let mut words = vec![if stage.stage.step.desired.candidate.is_none() { "settled" } else { "healthy" }.to_owned()];
    if !holds.bake.is_zero() {
        words.push(format!("{} bake", time::show(holds.bake)));
    }
    words.extend(holds.judge.as_ref().map(|judge| format!("judge {}", judge.name)));
    words.extend(holds.gate.as_ref().map(|gate| format!("gate {}", gate.name)));
    words.join(", ")
}

fn way_back(stage: &PlanStage) -> String {
    match &stage.stage.back {
        Back::Refused(why) => format!("none: {why}"),
        Back::Steps(steps) => steps
            .iter()
            .map(|step| step_words(&step.desired.stable.to_string(), &step.desired.traffic))
            .collect::<Vec<_>>()
            .join(", then "),
        Back::Derived if stage.from.is_none() => "none of it".into(),
        Back::Derived => step_words("all", &stage.derived_back(None).stage.step.desired.traffic),
    }
}

fn step_words(stable: &str, traffic: &Traffic) -> String {
    match traffic {
        Traffic::None => "nobody served".into(),
        Traffic::Split(_) => format!("stable 100%, {stable} of it"),
        _ => format!("{stable} of stable"),
    }
}

fn write_table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let width = |column: usize| {
        rows.iter()
            .filter(|row| row.len() > 1)
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
