//! How a step is divided into orders, and how far each may go.

use deploy_core::{
    Amount, Bounds, Budget, Count, Desired, Frame, OrderKind, OrderLine, OrderNow, RevisionId, Share, Side, Split,
    Spread, Standing, Taken, Traffic, bounds, divide, need,
};

fn side(revision: &str) -> Side {
    Side::home(RevisionId::new(revision))
}

fn words(lines: &[OrderLine]) -> String {
    let line = |line: &OrderLine| {
        let kind = match line.kind {
            OrderKind::Grow => "grow",
            OrderKind::Shift => "shift",
            OrderKind::Shrink => "shrink",
            OrderKind::InPlace => "in place",
        };
        format!("{kind} {}+{} {}", line.from, line.to, line.traffic)
    };
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// Divides a step of 6 and 6 from so many of each side and a traffic in its own words.
fn divided(desired: &Desired, from: u32, to: u32, traffic: &Traffic) -> String {
    let (stable, candidate) = (side("old"), side("new"));
    let frame = Frame { from: Some(&stable), to: Some(&candidate) };
    let counts = [(stable.clone(), from), (candidate.clone(), to)].into();
    let standing = Standing { counts, spread: frame.spread(traffic) };
    words(&divide(desired, Taken { from: 6, to: 6 }, &standing, frame))
}

#[test]
fn counts_and_traffic_never_move_in_one_order() {
    let all = Count::ALL;
    let percent = |share| Traffic::Split(Split::percent(share));
    let cases = [
        (
            Desired::both(all, Count::Exactly(1)).traffic(percent(5)),
            6,
            0,
            Traffic::stable(),
            "grow 6+1 0%, shift 6+1 5%",
        ),
        (Desired::both(all, all).traffic(percent(100)), 6, 3, percent(50), "grow 6+6 50%, shift 6+6 100%"),
        (Desired::candidate(all), 6, 6, percent(100), "shrink 0+6 100%"),
        (Desired::stable(all), 6, 3, percent(50), "shift 6+3 0%, shrink 6+0 0%"),
        (Desired::stable(all), 2, 6, percent(100), "grow 6+6 100%, shift 6+6 0%, shrink 6+0 0%"),
        (Desired::nothing(), 6, 0, Traffic::Pooled, "shift 6+0 none, shrink 0+0 none"),
        (Desired::pooled(all), 6, 0, Traffic::Pooled, "in place 0+6 pooled"),
        (Desired::stable(all), 6, 0, Traffic::stable(), "shrink 6+0 0%"),
        (Desired::stable(all), 6, 0, Traffic::Pooled, "shrink 6+0 0%"),
    ];
    for (desired, from, to, traffic, expected) in cases {
        assert_eq!(divided(&desired, from, to, &traffic), expected, "{desired:?} from {from}+{to} at {traffic}");
    }
}

#[test]
fn what_a_side_of_neither_place_gets_is_shifted_before_that_side_goes() {
    let [old, new, other, gone] = ["old", "new", "other", "gone"].map(side);
    let frame = Frame { from: Some(&old), to: Some(&new) };
    let cases = [
        ([&old, &other], 10, "shift 6+0 0%, shrink 6+0 0%"),
        ([&other, &old], 10, "shift 6+0 0%, shrink 6+0 0%"),
        ([&old, &gone], 10, "shift 6+0 0%, shrink 6+0 0%"),
        ([&old, &other], 0, "shrink 6+0 0%"),
        ([&other, &old], 100, "shrink 6+0 0%"),
        ([&old, &new], 10, "shift 6+0 0%, shrink 6+0 0%"),
    ];
    for ([from, to], share, expected) in cases {
        let split = Split::percent(share);
        let spread = Spread::Split { from: Some(from.clone()), to: Some(to.clone()), split };
        assert_eq!(frame.is_elsewhere(&spread), ![from, to].contains(&&new) && expected.starts_with("shift"));
        let standing = Standing { counts: [(old.clone(), 6), (other.clone(), 2)].into(), spread };
        let desired = Desired::stable(Count::ALL);
        let lines = divide(&desired, Taken { from: 6, to: 6 }, &standing, frame);
        assert_eq!(words(&lines), expected, "{from} and {to} at {share} %");
        let worker = desired.traffic(Traffic::NotRouted);
        let lines = divide(&worker, Taken { from: 6, to: 6 }, &standing, frame);
        assert_eq!(words(&lines), "shrink 6+0 -", "a worker");
    }
}

#[test]
fn a_side_of_which_nobody_is_left_is_no_stray() {
    let [old, new, gone] = ["old", "new", "gone"].map(side);
    let frame = Frame { from: Some(&old), to: Some(&new) };
    let standing = Standing { counts: [(old.clone(), 6), (gone, 0)].into(), spread: frame.spread(&Traffic::stable()) };
    let desired = Desired::both(Count::ALL, Count::Exactly(1)).traffic(Traffic::stable());
    assert_eq!(words(&divide(&desired, Taken { from: 6, to: 6 }, &standing, frame)), "grow 6+1 0%");
}

#[test]
fn a_worker_grows_and_shrinks_and_is_never_shifted() {
    let desired = Desired::both(Count::NONE, Count::ALL).traffic(Traffic::NotRouted);
    assert_eq!(divided(&desired, 6, 2, &Traffic::NotRouted), "grow 6+6 -, shrink 0+6 -");
    let in_place = Desired::pooled(Count::ALL).traffic(Traffic::InPlace);
    assert_eq!(divided(&in_place, 6, 0, &Traffic::NotRouted), "in place 0+6 -");
}

#[test]
fn a_share_of_the_candidate_is_of_the_greater_count_but_of_no_more_than_it_has() {
    let half = Count::Share(Share::percent(50));
    assert_eq!(Taken { from: 12, to: 6 }.candidate(half), 6);
    assert_eq!(Taken { from: 6, to: 12 }.candidate(half), 6);
    assert_eq!(Taken { from: 12, to: 6 }.candidate(Count::Exactly(2)), 2);
}

#[test]
fn the_floor_is_the_least_and_the_ceiling_the_greatest() {
    let line = |from, to, traffic| OrderLine { kind: OrderKind::Grow, from, to, traffic };
    let budget = |surge, unavailable| Budget {
        max_surge: Amount::Number(surge),
        max_unavailable: Amount::Number(unavailable),
        ..Budget::default()
    };
    let of = |lines: &[OrderLine], budget: &Budget, baseline, off| {
        let limits = bounds(lines, budget, 6, baseline, off);
        (limits.floor, limits.ceiling)
    };
    let serving = [line(6, 1, Traffic::stable()), line(6, 3, Traffic::stable())];
    assert_eq!(of(&serving, &budget(1, 0), 6, 0), (6, 10));
    assert_eq!(of(&serving, &budget(1, 2), 6, 0), (4, 10));
    assert_eq!(of(&serving, &budget(0, 0), 4, 1), (4, 9), "no more than served");
    assert_eq!(of(&[line(0, 6, Traffic::Pooled)], &budget(1, 0), 6, 0), (6, 7));
    assert_eq!(of(&[line(6, 0, Traffic::None)], &budget(1, 0), 6, 0), (0, 6), "nobody is served, nothing beside");
}

#[test]
fn a_share_needs_its_part_less_what_may_be_missing_and_at_least_one() {
    assert_eq!(need(Share::NONE, 6, 0), 0);
    assert_eq!(need(Share::percent(5), 6, 0), 1);
    assert_eq!(need(Share::percent(50), 6, 1), 2);
    assert_eq!(need(Share::percent(5), 6, 3), 1);
}

#[test]
fn pooled_over_one_revision_is_its_whole_split() {
    let (old, new) = (side("old"), side("new"));
    let frame = Frame { from: Some(&old), to: Some(&new) };
    assert_eq!(frame.traffic(&Spread::Pooled, &[(old.clone(), 3)].into()), Traffic::stable());
    assert_eq!(frame.traffic(&Spread::Pooled, &[(new.clone(), 3)].into()), Traffic::candidate());
    assert_eq!(frame.traffic(&Spread::Pooled, &[(old.clone(), 1), (new.clone(), 3)].into()), Traffic::Pooled);
}

#[test]
fn a_split_of_another_pair_is_all_of_the_side_it_came_from_until_it_is_whole() {
    let (old, new, other) = (side("old"), side("new"), side("other"));
    let frame = Frame { from: Some(&old), to: Some(&new) };
    let cases = [
        ([&old, &new], 50, Traffic::from(Split::percent(50))),
        ([&old, &other], 50, Traffic::stable()),
        ([&other, &new], 50, Traffic::stable()),
        ([&other, &new], 100, Traffic::candidate()),
        ([&new, &other], 50, Traffic::candidate()),
    ];
    for ([from, to], share, words) in cases {
        let split = Split::percent(share);
        let spread = Spread::Split { from: Some(from.clone()), to: Some(to.clone()), split };
        assert_eq!(frame.traffic(&spread, &[].into()), words, "{spread:?}");
    }
}

#[test]
fn an_order_wants_nobody_of_a_side_that_is_none_of_its_two() {
    let line = OrderLine { kind: OrderKind::Grow, from: 6, to: 3, traffic: Traffic::stable() };
    let order = OrderNow {
        index: 0,
        line,
        from: Some(side("old")),
        to: Some(side("new")),
        budget: Budget::default(),
        bounds: Bounds { floor: 6, ceiling: 10 },
        count: 6,
    };
    assert_eq!(["old", "new", "other"].map(|of| order.count_of(&side(of))), [6, 3, 0]);
}
