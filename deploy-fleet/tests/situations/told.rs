//! What is seen, read from one line; and what is done about it, in words.

use crate::common::{self, DRAIN, Told, World, side};
use deploy_core::time::{between, show};
use deploy_core::{Evidence, Exit, Health, InstanceId, InstanceState, Match, Routes, Share, Split, Spread, Traffic};
use deploy_fleet::Moves;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What a spec says that says nothing of it.
const GRACE: Duration = Duration::from_secs(10);

/// What is seen, and the name of each instance.
struct Seen {
    world: World,
    told: Told,
    names: BTreeMap<InstanceId, String>,
}

/// The order, and under it each line with the moves that follow.
fn table(told: &Told, lines: &[String]) -> String {
    let mut text = format!("# {}\n\n", heading(told));
    let width = lines.iter().map(String::len).max().unwrap_or(0);
    for line in lines {
        let _ = writeln!(text, "{line:width$} -> {}", follows(told, line));
    }
    text + "\n"
}

/// A table of lines as they stand.
pub(crate) fn lines(told: &Told, lines: &[&str]) -> String {
    table(told, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
}

/// A table of one line in which the `*` of one word becomes everything that may be said of an instance.
pub(crate) fn each(told: &Told, line: &str) -> String {
    let (before, rest) = line.split_once('*').unwrap();
    let (name, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    let ways = WAYS.iter().map(|way| {
        let (sign, marks) = way.split_once('*').unwrap();
        format!("{before}{sign}{name}{marks}{rest}")
    });
    table(told, &ways.collect::<Vec<_>>())
}

/// All that may be said of one instance.
const WAYS: [&str; 21] = [
    "+*",
    "+*(sick)",
    "+*(sick,hearsay)",
    "+*(unknown)",
    "+*(young)",
    "+*(hearsay)",
    "+*(cut)",
    "+*(cut,off)",
    "+*(ending)",
    "+*(ended)",
    "+*(ended,recorded)",
    "+*(gone)",
    "-*(0)",
    "-*(2)",
    "-*(?)",
    "-*(2,over)",
    "-*(2,sick)",
    "*",
    "*(sick)",
    "*(young)",
    "*(unasked)",
];

fn heading(told: &Told) -> String {
    let count = |ordered: &Option<deploy_core::OrderSide>| {
        let ordered = ordered.as_ref()?;
        let least = if ordered.at_least { "at least " } else { "" };
        let foreign = if ordered.spec.is_none() { " (adopted)" } else { "" };
        Some(format!("{least}{} {}{foreign}", ordered.count, ordered.side.revision))
    };
    let sides: Vec<_> = [&told.from, &told.to].into_iter().filter_map(count).collect();
    let traffic = |traffic: &Traffic| match traffic {
        Traffic::NotRouted => "not routed".to_owned(),
        Traffic::InPlace => "not routed, in place".to_owned(),
        other => other.to_string(),
    };
    let mut text = format!("{:?}: {} of {}, {}", told.kind, sides.join(" and "), told.count, traffic(&told.traffic));
    if told.before != told.traffic {
        text += &format!(" after {}", traffic(&told.before));
    }
    text += &format!("; {} to {}", told.floor, told.ceiling);
    if told.max_unavailable > 0 {
        text += &format!(", {} may be missing", told.max_unavailable);
    }
    if !told.budget.min_ready.is_zero() {
        text += &format!(", ready after {}", show(told.budget.min_ready));
    }
    let flags = [(told.exclusive, ", exclusive"), (told.paused, ", paused")];
    flags.into_iter().filter(|(is, _)| *is).fold(text, |text, (_, flag)| text + flag)
}

fn follows(told: &Told, line: &str) -> String {
    let (router, words) = line.split_once(':').unwrap();
    let mut seen = Seen { world: world(router), told: told.clone(), names: BTreeMap::new() };
    for (index, word) in words.split_whitespace().enumerate() {
        seen.stand(index + 1, word);
    }
    let moves = match router {
        "no router" => {
            deploy_fleet::moves(&seen.told.order(&seen.world), &seen.world.instances(), &seen.world.slots(), None)
        }
        _ => seen.told.moves(&seen.world),
    };
    seen.in_words(&moves)
}

/// Hosts and router. `2x1` are two hosts with a slot each, `shut` says that the last of them cannot be reached.
fn world(router: &str) -> World {
    let words: Vec<_> = router.split_whitespace().collect();
    let sizes = words.iter().find_map(|word| word.split_once('x'));
    let (hosts, slots) = sizes.map_or((3, 4), |(hosts, slots)| (hosts.parse().unwrap(), slots.parse().unwrap()));
    let mut world = World::new(hosts, slots);
    if words.contains(&"shut") {
        world.hosts.values_mut().last().unwrap().0 = false;
    }
    if words.contains(&"accepted") {
        world.routes.evidence = Evidence::Accepted;
    }
    world.routes.spread = spread(&words);
    world
}

fn spread(words: &[&str]) -> Spread {
    if words.contains(&"pooled") {
        return Spread::Pooled;
    }
    let share = words.iter().find_map(|word| word.strip_suffix('%'));
    let Some(share) = share else { return Spread::None };
    let mut split = Split::share(share.parse().unwrap());
    if words.contains(&"beta") {
        split.matches = vec![beta()];
    }
    if words.contains(&"copies") {
        split.mirror = Share::percent(50);
    }
    let (from, to) = words.iter().find_map(|word| word.split_once('>')).unwrap_or(("old", "new"));
    let named = |name: &str| (name != "nobody").then(|| side(name));
    Spread::Split { from: named(from), to: named(to), split }
}

/// Who says so is sent to the candidate.
pub(crate) fn beta() -> Match {
    Match::Cookie { name: "beta".into(), value: "1".into() }
}

impl Seen {
    /// One instance, from `+old(marks)@host`.
    fn stand(&mut self, number: usize, word: &str) {
        let (word, marks) = word.trim_end_matches(')').split_once('(').unwrap_or((word, ""));
        let (word, host) = word.split_once('@').unwrap_or((word, ""));
        let name = word.trim_start_matches(['+', '-']);
        let free = self.world.free();
        let slot = free.iter().find(|slot| host.is_empty() || slot.host == format!("host-{host}")).unwrap();
        let id = self.world.run_in(slot, name, word != name);
        if word.starts_with('-') {
            let now = self.world.now;
            self.member(&id).member.draining = Some(now);
        }
        marks.split(',').filter(|mark| !mark.is_empty()).for_each(|mark| self.mark(&id, mark));
        self.names.insert(id, format!("{name}#{number}"));
    }

    fn member(&mut self, id: &InstanceId) -> &mut deploy_core::Routed {
        self.world.routes.members.iter_mut().find(|routed| routed.member.instance == *id).unwrap()
    }

    fn mark(&mut self, id: &InstanceId, mark: &str) {
        let long_ago = common::at(-3_600_000);
        match mark {
            "sick" => self.world.fold(id, Health::Unhealthy, long_ago),
            "unknown" => self.world.fold(id, Health::Unknown, long_ago),
            "sickening" => self.world.fold(id, Health::Unhealthy, common::at(-400)),
            "young" => self.world.fold(id, Health::Healthy, common::at(-400)),
            "unasked" => _ = self.world.health.remove(id),
            "hearsay" => self.world.health.get_mut(id).unwrap().fresh = false,
            "cut" => {
                self.world.unit(id).seen.state = InstanceState::Unknown;
                self.world.fold(id, Health::Unknown, long_ago);
            }
            "cutting" => self.world.unit(id).seen.state = InstanceState::Unknown,
            "ending" => self.world.unit(id).seen.state = InstanceState::Terminating,
            "ended" => self.world.unit(id).seen.state = InstanceState::Exited(Exit::default()),
            "recorded" => _ = self.world.ended.insert(id.clone()),
            "off" => _ = self.told.written_off.insert(id.clone()),
            "gone" => self.world.units.retain(|unit| unit.seen.id != *id),
            "nowhere" => self.world.unit(id).seen.address = None,
            "moved" => self.world.unit(id).seen.address = Some("10.0.0.2:80".into()),
            "older" => self.world.unit(id).seen.started = Some(long_ago),
            "over" => self.member(id).member.draining = Some(common::at(-(DRAIN.as_millis() as i64))),
            "nearly" => self.member(id).member.draining = Some(common::at(50 - DRAIN.as_millis() as i64)),
            "?" => self.member(id).in_flight = None,
            count => self.member(id).in_flight = Some(count.parse().unwrap()),
        }
    }

    fn in_words(&self, moves: &Moves) -> String {
        let mut acts: Vec<String> = moves.routes.iter().flat_map(|routes| self.routes(routes)).collect();
        acts.extend(moves.launch.iter().map(|(slot, launch)| format!("launch {} on {slot}", launch.side.revision)));
        for stop in &moves.stop {
            let again = if stop.again { " again" } else { "" };
            let grace = if stop.grace == GRACE { String::new() } else { format!(" within {}", show(stop.grace)) };
            acts.push(format!("stop {}{grace}{again}", self.name(&stop.instance)));
        }
        let mut text = if moves.is_empty() { "nothing".to_owned() } else { String::new() };
        text += &acts.join(", ");
        if let Some(again_at) = moves.again_at {
            text += &format!("; again in {}", show(between(self.world.now, again_at)));
        }
        let waits = moves.waits.iter().map(|wait| format!(" | {wait}"));
        self.names
            .iter()
            .fold(waits.fold(text, |text, wait| text + &wait), |text, (id, name)| text.replace(id.as_str(), name))
    }

    fn name<'a>(&'a self, id: &'a InstanceId) -> &'a str {
        self.names.get(id).map_or(id.as_str(), String::as_str)
    }

    /// What is new in what the router is told.
    fn routes(&self, routes: &Routes) -> Vec<String> {
        let told = &self.world.routes;
        let mut acts = Vec::new();
        if told.spread != routes.spread {
            acts.push(format!("route {}", spread_in_words(&routes.spread)));
        }
        let news = routes.members.iter().flat_map(|member| {
            let was = told.member(&member.instance).map(|routed| &routed.member);
            let act = match (was.map(|was| was.draining), member.draining) {
                (None, None) => Some("admit".to_owned()),
                (None | Some(None), Some(_)) => Some("drain".to_owned()),
                (Some(Some(_)), None) => Some("take back".to_owned()),
                (Some(Some(was)), Some(now)) if was != now => Some("drain anew".to_owned()),
                _ => None,
            };
            let moved = was.is_some_and(|was| was.address != member.address).then(|| "find again".to_owned());
            let name = self.name(&member.instance);
            [act, moved].into_iter().flatten().map(|act| format!("{act} {name}")).collect::<Vec<_>>()
        });
        acts.extend(news);
        let kept = |id: &InstanceId| routes.members.iter().any(|member| member.instance == *id);
        let dropped = told.members.iter().map(|routed| &routed.member.instance).filter(|id| !kept(id));
        acts.extend(dropped.map(|id| format!("drop {}", self.name(id))));
        if acts.is_empty() { vec!["tell the router the same".to_owned()] } else { acts }
    }
}

fn spread_in_words(spread: &Spread) -> String {
    match spread {
        Spread::None => "nobody".to_owned(),
        Spread::Pooled => "pooled".to_owned(),
        Spread::Split { from, to, split } => {
            let name = |side: &Option<deploy_core::Side>| {
                side.as_ref().map_or("nobody".to_owned(), |side| side.revision.to_string())
            };
            format!("{split} of {} to {}", name(from), name(to))
        }
    }
}
