//! Runs drawn by a seed: releases that fail in every way, platforms that break, engines that die, people who ask.

use super::asks;
use super::draw::Draw;
use super::profile::{Lack, Profile};
use super::run::Run;
use super::scenario::{self, SECRET, release, strategy, web, with_more};
use super::script::Script;
use super::settings::settings;
use super::trouble::{peace, trouble};
use deploy_core::{Name, OnFailure, Release, Request, Result, SecretRef, Status};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A run that was played, with all that its seed drew.
#[derive(Debug)]
pub struct Played {
    /// The run.
    pub run: Run,
    /// What was drawn, by number; what was switched off too.
    pub drawn: Vec<String>,
}

/// What all releases of a run have in common.
#[derive(Debug)]
struct Frame<'a> {
    strategy: &'a str,
    replicas: u32,
    /// There are other workloads, of these strategies.
    others: Option<(&'static str, &'static str)>,
    secret: bool,
}

/// Plays a run of a seed to its end: a first release in peace, one or two in trouble, and a last one in peace again,
/// which must complete.
///
/// # Errors
/// Where a release cannot be made, which a seed never gives.
pub fn play(seed: u64, profile: Profile, name: &str) -> Result<Run> {
    play_without(seed, profile, name, &BTreeSet::new()).map(|played| played.run)
}

/// As [`play`], with some of what the seed draws switched off, by number.
///
/// # Errors
/// As [`play`].
pub fn play_without(seed: u64, profile: Profile, name: &str, without: &BTreeSet<usize>) -> Result<Played> {
    let mut run = Run::new(seed, profile);
    let mut draw = Draw::new(seed.wrapping_mul(31).wrapping_add(name.len() as u64), without.clone());
    let frame = frame(&mut run, &mut draw, name);
    run.deploy(frame.made("v1", frame.replicas, &Value::Null, true)?, &Script::default())?;
    for version in ["v2", "v3"].into_iter().take(1 + draw.frame().below(2) as usize) {
        in_trouble(&mut run, &mut draw, &frame, version)?;
    }
    peace(&mut run);
    let last = run.history.len();
    run.deploy(frame.made("v9", frame.replicas, &Value::Null, true)?, &Script::default())?;
    if let Some(end) = bad_end(&run, last) {
        run.world.trail.broken(run.world.now, "G8", format!("a good release in peace ended {end}"));
    }
    super::search::no_secret_is_shown(&mut run);
    Ok(Played { run, drawn: draw.drawn() })
}

fn frame<'a>(run: &mut Run, draw: &mut Draw, name: &'a str) -> Frame<'a> {
    let replicas = 1 + draw.frame().below(5) as u32;
    let others = ["rolling", "recreate"];
    let (worker, api) = (draw.frame().below(2) as usize, draw.frame().below(5) as usize);
    let others = draw.some(25, "other workloads", |_| (others[worker], scenario::STRATEGIES[api]));
    let secret = draw.some(30, "a secret", |_| ()).is_some();
    run.world.skew = draw.some(20, "a skewed clock", |dice| 3_600_000 - dice.below(7_200_000) as i64).unwrap_or(0);
    let lack = draw.some(10, "a lack", |dice| dice.pick(&Lack::ALL).copied().unwrap_or(Lack::Split));
    run.world.lacks.extend(lack);
    if run.world.profile == Profile::Fleet
        && let Some(slots) = draw.some(50, "few slots", |dice| 1 + dice.below(2) as u32)
    {
        run.world.hosts.values_mut().for_each(|own| *own = slots);
    }
    Frame { strategy: name, replicas, others, secret }
}

/// One release, and those that come meanwhile, in a world where things go wrong.
fn in_trouble(run: &mut Run, draw: &mut Draw, frame: &Frame<'_>, version: &str) -> Result<()> {
    let benign = draw.frame().chance(35);
    let mut settings = settings(draw, frame.strategy, frame.replicas, benign);
    if benign {
        settings["progress_deadline"] = json!("90m");
    }
    let replicas = draw.some(15, "another count", |dice| 1 + dice.below(5) as u32).unwrap_or(frame.replicas);
    let all = draw.some(20, "a removal", |_| ()).is_none();
    let release = frame.made(version, replicas, &settings, all)?;
    trouble(run, draw, &release, replicas, benign);
    let mut script = asks::script(draw, benign);
    let next = frame.made(&format!("{version}b"), replicas, &Value::Null, all)?;
    script.rivals = asks::rivals(draw, &next, benign)?;
    let mut request = Request { pause: Duration::from_secs(600), ..Request::new(release, Name::new("production")?) };
    if draw.some(if benign { 0 } else { 10 }, "a pause on failure", |_| ()).is_some() {
        request.on_failure = OnFailure::Pause;
    }
    run.disturbed = false;
    let first = run.history.len();
    run.request(request, &script)?;
    if let Some(end) = bad_end(run, first).filter(|_| benign) {
        run.world.trail.broken(run.world.now, "G6", format!("a good release ended {end}"));
    }
    Ok(())
}

/// How a deployment ended that did not complete, and why; none where it was refused when its plan was made: a platform
/// lacks something, or slots.
fn bad_end(run: &Run, index: usize) -> Option<String> {
    let (record, _) = run.history.get(index)?;
    let (status, why) = (record.status(), record.reason().unwrap_or_default());
    let lacks = !run.world.lacks.is_empty() || run.world.profile == Profile::Fleet;
    let refused = lacks && status == Status::Failed && record.plan.is_none() && why.contains("nothing was changed");
    (status != Status::Completed && !refused).then(|| format!("{status}: {why}"))
}

impl Frame<'_> {
    fn made(&self, version: &str, replicas: u32, settings: &Value, all: bool) -> Result<Release> {
        let mut spec = web(version, replicas, strategy(self.strategy, settings.clone()))?;
        if let Some((worker, api)) = self.others.filter(|_| all) {
            spec = with_more(spec, version)?;
            for (workload, name) in [("worker", worker), ("api", api)] {
                let own = spec.workloads.get_mut(workload);
                own.into_iter().for_each(|own| own.strategy = Some(strategy(name, json!({}))));
            }
        }
        for web in spec.workloads.get_mut("web").into_iter().filter(|_| self.secret) {
            web.secrets.insert("TOKEN".into(), SecretRef::env(SECRET));
        }
        release(spec)
    }
}

/// The strategies' names, for those who play all of them.
pub const STRATEGIES: [&str; 5] = scenario::STRATEGIES;
