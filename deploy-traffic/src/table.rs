//! Who is chosen for a request: the one lock that every request takes.

use crate::config::Choice;
use crate::divider::Divider;
use crate::rules::{Rules, Verdict};
use crate::upstream::{Flight, Upstream};
use deploy_core::{Routes, Share, Side, Spread};
use std::sync::Arc;
use std::time::Duration;

/// The instances that may be chosen, by side, and what decides between the sides.
#[derive(Debug)]
pub(crate) struct Table {
    version: u64,
    spread: Spread,
    rules: Arc<Rules>,
    stable: Vec<Arc<Upstream>>,
    candidate: Vec<Arc<Upstream>>,
    divider: Divider,
    mirror: Divider,
    turn: usize,
    choice: Choice,
    out_of_use: Duration,
}

/// The side of a request, once decided: a second try does not decide again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    version: u64,
    verdict: Verdict,
    candidate: bool,
}

/// An instance that was chosen, and counts the request already.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) flight: Flight,
    pub(crate) decided: Decided,
    /// Whether a copy goes to the candidate.
    pub(crate) mirror: bool,
}

/// Why nobody was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nobody {
    /// Nobody is to be served.
    Closed,
    /// No instance of the side may be chosen.
    Empty,
}

/// A request that nobody was chosen for.
#[derive(Debug)]
pub(crate) struct Unserved {
    pub(crate) nobody: Nobody,
    /// An instance of its side that cannot be chosen.
    pub(crate) missed: Option<Arc<Upstream>>,
}

impl Table {
    /// Of a workload without routes: nobody is served.
    pub(crate) fn closed(choice: Choice, out_of_use: Duration) -> Self {
        Self {
            version: 0,
            spread: Spread::None,
            rules: Arc::default(),
            stable: Vec::new(),
            candidate: Vec::new(),
            divider: Divider::new(Share::NONE),
            mirror: Divider::new(Share::NONE),
            turn: 0,
            choice,
            out_of_use,
        }
    }

    /// Changes to other routes. A share that is told again goes on where it was; another begins anew.
    pub(crate) fn change(&mut self, change: Change) {
        if self.spread != change.spread {
            if !same_sides(&self.spread, &change.spread) || self.divider.share() != change.candidate_share {
                self.divider = Divider::new(change.candidate_share);
            }
            if self.mirror.share() != change.mirror_share {
                self.mirror = Divider::new(change.mirror_share);
            }
            self.spread = change.spread;
        }
        if *self.rules != change.rules {
            self.rules = Arc::new(change.rules);
        }
        self.stable = change.stable;
        self.candidate = change.candidate;
        self.version += 1;
    }

    /// The rules to be asked outside the lock; none where only the share decides.
    pub(crate) fn rules(&self) -> Option<Arc<Rules>> {
        (!self.rules.is_empty()).then(|| Arc::clone(&self.rules))
    }

    /// Whether these are the rules that hold.
    pub(crate) fn has_rules(&self, rules: &Arc<Rules>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// Chooses an instance and counts the request.
    pub(crate) fn pick(&mut self, verdict: Verdict) -> Result<Picked, Unserved> {
        let decided = self.decide(verdict);
        let flight = self
            .choose(decided, &[])
            .map_err(|nobody| Unserved { nobody, missed: self.members(decided).first().cloned() })?;
        let mirror = !decided.candidate && self.mirror.next();
        Ok(Picked { flight, decided, mirror })
    }

    /// Chooses another instance than those that were tried. The side is decided anew only where the routes have changed.
    pub(crate) fn pick_again(&mut self, decided: &mut Decided, tried: &[Arc<Upstream>]) -> Result<Flight, Nobody> {
        if decided.version != self.version {
            *decided = self.decide(decided.verdict);
        }
        self.choose(*decided, tried)
    }

    /// Chooses an instance of the candidate for a copy, which is not counted.
    pub(crate) fn pick_mirror(&mut self) -> Option<Arc<Upstream>> {
        if self.mirror.share().is_none() {
            return None;
        }
        let decided = Decided { version: self.version, verdict: Verdict::Candidate, candidate: true };
        self.choose(decided, &[]).ok().map(|flight| Arc::clone(flight.upstream()))
    }

    fn decide(&mut self, verdict: Verdict) -> Decided {
        let candidate = match (&self.spread, verdict) {
            (Spread::Split { .. }, Verdict::Divide) => self.divider.next(),
            (Spread::Split { .. }, Verdict::Candidate) => true,
            (Spread::Split { .. }, Verdict::At(position)) => position < self.divider.share().points(),
            _ => false,
        };
        Decided { version: self.version, verdict, candidate }
    }

    fn members(&self, decided: Decided) -> &[Arc<Upstream>] {
        if decided.candidate { &self.candidate } else { &self.stable }
    }

    fn choose(&mut self, decided: Decided, tried: &[Arc<Upstream>]) -> Result<Flight, Nobody> {
        if self.spread == Spread::None {
            return Err(Nobody::Closed);
        }
        self.turn = self.turn.wrapping_add(1);
        let chosen = self.choice.among(self.members(decided), self.turn, tried).ok_or(Nobody::Empty)?;
        chosen.claim_trial(self.out_of_use);
        Ok(chosen.begin())
    }
}

impl Choice {
    fn among<'a>(
        self,
        members: &'a [Arc<Upstream>],
        turn: usize,
        tried: &[Arc<Upstream>],
    ) -> Option<&'a Arc<Upstream>> {
        let (late, early) = members.split_at(turn.checked_rem(members.len())?);
        let mut usable = early
            .iter()
            .chain(late)
            .filter(|member| member.is_usable() && !tried.iter().any(|tried| Arc::ptr_eq(tried, member)));
        match self {
            Self::RoundRobin => usable.next(),
            Self::LeastInFlight => usable.min_by_key(|member| member.in_flight()),
        }
    }
}

fn same_sides(one: &Spread, other: &Spread) -> bool {
    match (one, other) {
        (Spread::Split { from, to, .. }, Spread::Split { from: f, to: t, .. }) => from == f && to == t,
        _ => false,
    }
}

/// Routes, ready to be put into a table.
#[derive(Debug)]
pub(crate) struct Change {
    spread: Spread,
    rules: Rules,
    candidate_share: Share,
    mirror_share: Share,
    stable: Vec<Arc<Upstream>>,
    candidate: Vec<Arc<Upstream>>,
}

impl Change {
    /// What routes say, with the instances of the members in the order they are listed.
    pub(crate) fn new(routes: &Routes, instances: &[Arc<Upstream>], salt: &str) -> deploy_core::Result<Self> {
        let admitted = || {
            let both = routes.members.iter().zip(instances);
            both.filter(|(member, _)| member.draining.is_none()).map(|(_, instance)| instance)
        };
        let of = |side: &Option<Side>| {
            admitted().filter(|instance| side.as_ref() == Some(&instance.side)).cloned().collect::<Vec<_>>()
        };
        let mut change = Self {
            spread: routes.spread.clone(),
            rules: Rules::default(),
            candidate_share: Share::NONE,
            mirror_share: Share::NONE,
            stable: Vec::new(),
            candidate: Vec::new(),
        };
        match &routes.spread {
            Spread::None => {}
            Spread::Pooled => change.stable = admitted().cloned().collect(),
            Spread::Split { from, to, split } => {
                let split = split.clone().ordered();
                change.rules = Rules::new(&split, salt)?;
                change.candidate_share = split.candidate;
                change.mirror_share = split.mirror;
                change.stable = of(from);
                change.candidate = of(to);
            }
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::sample;
    use deploy_core::{Member, Split, Timestamp, Token};

    fn side(revision: &str) -> Side {
        Side::home(revision.into())
    }

    fn split(split: Split) -> Spread {
        Spread::Split { from: Some(side("v1")), to: Some(side("v2")), split }
    }

    fn change(spread: Spread, instances: &[Arc<Upstream>], draining: &[usize]) -> Change {
        let member = |(at, instance): (usize, &Arc<Upstream>)| Member {
            instance: at.to_string().into(),
            side: instance.side.clone(),
            address: instance.address.clone(),
            draining: draining.contains(&at).then_some(Timestamp::UNIX_EPOCH),
        };
        let members = instances.iter().enumerate().map(member).collect();
        let track = "shop/production/web@here".parse().unwrap();
        let routes = Routes { track, ports: vec![], token: Token::default(), spread, members };
        Change::new(&routes, instances, "salt").unwrap()
    }

    fn table(change: Change) -> Table {
        let mut table = Table::closed(Choice::RoundRobin, Duration::from_secs(60));
        table.change(change);
        table
    }

    fn four() -> Vec<Arc<Upstream>> {
        [("a", "v1"), ("b", "v1"), ("c", "v2"), ("d", "v2")].map(|(instance, side)| sample(instance, side)).to_vec()
    }

    fn candidates(table: &mut Table, number: usize) -> usize {
        (0..number).filter(|_| table.pick(Verdict::Divide).unwrap().flight.upstream().side == side("v2")).count()
    }

    #[test]
    fn nobody_is_chosen_under_none_and_without_members() {
        let four = four();
        assert_eq!(table(change(Spread::None, &four, &[])).pick(Verdict::Divide).unwrap_err().nobody, Nobody::Closed);
        assert_eq!(table(change(Spread::Pooled, &[], &[])).pick(Verdict::Divide).unwrap_err().nobody, Nobody::Empty);
    }

    #[test]
    fn a_share_is_exact_and_goes_on_when_it_is_told_again() {
        let four = four();
        let mut table = table(change(split(Split::percent(25)), &four, &[]));
        assert_eq!(candidates(&mut table, 3), 0);
        table.change(change(split(Split::percent(25)), &four, &[]));
        assert_eq!(candidates(&mut table, 1), 1);
        assert_eq!(candidates(&mut table, 400), 100);
    }

    #[test]
    fn another_share_begins_anew() {
        let four = four();
        let mut table = table(change(split(Split::percent(25)), &four, &[]));
        candidates(&mut table, 3);
        table.change(change(split(Split::percent(50)), &four, &[]));
        assert_eq!((candidates(&mut table, 1), candidates(&mut table, 1)), (0, 1));
    }

    #[test]
    fn a_draining_instance_is_not_chosen_and_a_side_without_others_is_empty() {
        let four = four();
        let mut table = table(change(split(Split::percent(50)), &four, &[2, 3]));
        table.pick(Verdict::Divide).unwrap();
        assert_eq!(table.pick(Verdict::Divide).unwrap_err().nobody, Nobody::Empty);
        table.change(change(Spread::Pooled, &four, &[0, 1, 2]));
        for _ in 0..10 {
            assert!(Arc::ptr_eq(table.pick(Verdict::Divide).unwrap().flight.upstream(), &four[3]));
        }
    }

    #[test]
    fn a_second_try_stays_on_its_side_and_off_what_was_tried() {
        let four = four();
        let mut table = table(change(split(Split::percent(100)), &four, &[]));
        let mut picked = table.pick(Verdict::Divide).unwrap();
        let tried = vec![Arc::clone(picked.flight.upstream())];
        let again = table.pick_again(&mut picked.decided, &tried).unwrap();
        assert_eq!(again.upstream().side, side("v2"));
        assert!(!Arc::ptr_eq(again.upstream(), &tried[0]));
        let both = vec![Arc::clone(again.upstream()), Arc::clone(&tried[0])];
        assert_eq!(table.pick_again(&mut picked.decided, &both).unwrap_err(), Nobody::Empty);
    }

    #[test]
    fn a_second_try_after_a_switch_goes_where_requests_go_now() {
        let four = four();
        let mut table = table(change(split(Split::percent(0)), &four, &[]));
        let mut picked = table.pick(Verdict::Divide).unwrap();
        table.change(change(split(Split::percent(100)), &four, &[]));
        assert_eq!(table.pick_again(&mut picked.decided, &[]).unwrap().upstream().side, side("v2"));
    }

    #[test]
    fn the_least_busy_is_chosen_and_equals_take_turns() {
        let four = four();
        let mut table = table(change(Spread::Pooled, &four, &[]));
        table.choice = Choice::LeastInFlight;
        let flights: Vec<_> = (0..8).map(|_| table.pick(Verdict::Divide).unwrap().flight).collect();
        assert!(four.iter().all(|instance| instance.in_flight() == 2));
        drop(flights.into_iter().next());
    }

    #[test]
    fn a_position_below_the_share_is_the_candidates_for_good() {
        let four = four();
        let mut table = table(change(split(Split::percent(5)), &four, &[]));
        for percent in [5, 25, 50, 99] {
            table.change(change(split(Split::percent(percent)), &four, &[]));
            assert_eq!(table.pick(Verdict::At(499)).unwrap().flight.upstream().side, side("v2"));
            assert_eq!(table.pick(Verdict::At(9_950)).unwrap().flight.upstream().side, side("v1"));
        }
    }

    #[test]
    fn copies_are_a_share_of_what_stable_gets() {
        let four = four();
        let mut table = table(change(split(Split::percent(0).mirror(Share::percent(50))), &four, &[2]));
        let copies = (0..10).filter(|_| table.pick(Verdict::Divide).unwrap().mirror).count();
        assert_eq!(copies, 5);
        assert!(Arc::ptr_eq(&table.pick_mirror().unwrap(), &four[3]));
        table.change(change(split(Split::percent(0)), &four, &[2]));
        assert!(table.pick_mirror().is_none());
    }
}
