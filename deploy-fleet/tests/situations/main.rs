//! Situations and the moves that follow from them, line by line, as reviewed tables. A change of what is done shows in
//! them, and has to be looked at before it is accepted
//! (`INSTA_UPDATE=always cargo test -p deploy-fleet --test situations`, then `git diff`).
//!
//! ```text
//! pooled: +old -old(2) new(young) -> ...
//! ```
//!
//! Before the colon is what the router does: `none`, `pooled`, or the candidate's share, `old>new` where nothing else is
//! said, with testers (`beta`) or `copies`; then hosts and slots (`3x4`; `shut`: the last host cannot be reached).
//!
//! After it are the instances, `@1` on the second host. `+` is in the router's set; `-` was just taken out of it, with so many
//! requests in flight (`?`: nobody knows), since so long that its drain time is `over`, or `nearly`; the others are unknown
//! to the router. They have been well for an hour, or only just (`young`); or they are `sick`, only just (`sickening`),
//! `unknown`, or `unasked` yet; `hearsay` is what only an engine before us saw. Their host is `cut` off, or only just
//! (`cutting`). They are `ending`, `ended` and that `recorded`, `gone` from every list, written `off`, `older` than the
//! rest, `moved` to another address, or `nowhere`.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod told;

use common::{Told, percent};
use deploy_core::{OrderKind, Share, Split, Traffic};
use std::sync::Arc;
use std::time::Duration;
use told::{each, lines};

const SECOND: Duration = Duration::from_secs(1);

fn rolling() -> Told {
    Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(3, 4).min_ready(SECOND)
}

fn grow() -> Told {
    Told::new(OrderKind::Grow, 4, 2, percent(0)).limits(4, 7).min_ready(SECOND)
}

fn shift() -> Told {
    Told::new(OrderKind::Shift, 4, 2, percent(50)).before(percent(0)).limits(4, 7).min_ready(SECOND)
}

fn shrink() -> Told {
    Told::new(OrderKind::Shrink, 0, 3, percent(100)).limits(3, 7).min_ready(SECOND)
}

fn stop() -> Told {
    Told::new(OrderKind::Shrink, 0, 0, Traffic::None).before(percent(0)).count(3).limits(0, 3)
}

fn worker() -> Told {
    Told::new(OrderKind::InPlace, 0, 3, Traffic::InPlace).limits(2, 4).min_ready(SECOND)
}

/// Testers see the candidate, whatever its share.
fn testers() -> Traffic {
    Split::matching([told::beta()]).into()
}

/// Half of the requests are copied to the candidate.
fn copies() -> Traffic {
    Split::stable().mirror(Share::percent(50)).into()
}

/// Stable ran before we came.
fn adopted(mut told: Told) -> Told {
    told.from.as_mut().unwrap().spec = None;
    told
}

/// An autoscaler minds stable.
fn at_least(mut told: Told) -> Told {
    told.from.as_mut().unwrap().at_least = true;
    told
}

/// Stable goes; so many seconds each side may finish what it has in flight.
fn drains(old: u64, new: u64) -> Told {
    let mut told = Told::new(OrderKind::Shrink, 0, 2, percent(100)).limits(2, 5);
    for (ordered, seconds) in [(&mut told.from, old), (&mut told.to, new)] {
        let spec = ordered.as_mut().and_then(|ordered| ordered.spec.as_mut()).unwrap();
        Arc::make_mut(spec).drain = Duration::from_secs(seconds);
        Arc::make_mut(spec).grace = Duration::from_secs(seconds + 1);
    }
    told
}

macro_rules! tables {
    ($($name:ident: $($table:expr),* $(,)?;)*) => {$(
        #[test]
        fn $name() {
            let (name, told) = (stringify!($name).replace('_', " "), [$($table),*].concat());
            insta::assert_snapshot!(name, told);
        }
    )*};
}

tables! {
    one_of_the_old_in_a_rolling_update:
        each(&rolling(), "pooled: +old +old *old +new");

    one_of_the_new_in_a_rolling_update:
        each(&rolling(), "pooled: +old +old +old *new");

    one_of_stable_while_the_candidate_comes_up:
        each(&grow(), "0%: +old +old +old *old new");

    one_of_the_candidate_whose_share_is_to_grow:
        each(&shift(), "0%: +old +old +old +old +new *new");

    one_of_stable_that_is_to_go:
        each(&shrink(), "100%: +old *old +new +new +new");

    one_of_those_that_stay_while_stable_is_to_go:
        each(&shrink(), "100%: +old +old +new +new *new");

    one_of_those_that_are_all_to_stop:
        each(&stop(), "none: -old(2) *old");

    one_that_nobody_ordered:
        each(&Told::new(OrderKind::Shrink, 2, 0, percent(0)).limits(2, 3), "0%: +old +old *other");

    one_of_the_old_in_a_pause:
        each(&rolling().paused(), "pooled: +old +old *old +new");

    one_of_the_new_in_a_pause:
        each(&rolling().paused(), "pooled: +old +old +old *new");

    one_of_the_candidate_in_a_pause:
        each(&shift().paused(), "0%: +old +old +old +old +new *new");

    one_of_a_worker_that_is_replaced: lines(&worker(), &[
        "none: old old old new",
        "none: old old old(sick) new",
        "none: old old old(sick,hearsay) new",
        "none: old old old(unknown) new",
        "none: old old old(cut) new",
        "none: old old old(ending) new",
        "none: old old old(ended) new",
        "none: old old old(ended,recorded) new",
        "none: old old old new(young)",
        "none: old old old new(sick)",
        "none: old old old new(cut)",
        "none: old old old new(cut,off)",
        "none: old new new new(young)",
        "none: new new new",
    ]);

    who_goes_first_where_one_may_go: lines(&Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).limits(3, 6), &[
        "pooled: +old +old +new +new",
        "pooled: +old(older) +old +new +new",
        "pooled: +old +old(older) +new +new",
        "pooled: +old +old(unknown) +new +new",
        "pooled: -old(2) +old(unknown) +new +new +new",
        "pooled: old +old(unknown) +new +new +new",
        "pooled: +old +old(sick) +new +new",
        "pooled: +old +other +new +new",
        "pooled: +old(sick) +other +new +new +new",
        "pooled: +old +new +new +new",
        "pooled: +new +new +new +new(older)",
    ]), lines(&Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(2, 6), &[
        "pooled: -new(2) +new(unknown) +new +new",
        "pooled: -new(2,sick) +new(unknown) +new +new",
    ]);

    a_side_keeps_what_its_share_needs: lines(
        &Told::new(OrderKind::Shrink, 3, 1, percent(25)).count(4).limits(2, 9), &[
        "25%: +old +old +old +old +new +new +new",
        "25%: +old +old +old +old(unknown) +new +new +new(unknown)",
        "25%: +old +old +old(unknown) +old(unknown) +new +new(unknown)",
        "25%: +old +old +old(unknown) +old(unknown) +new(unknown) +new(unknown)",
        "25%: +old +old(cut,off) +old(cut,off) +old +new +new",
        "0%: +old +old +old +old +new +new +new",
    ]), lines(&Told { max_unavailable: 1, ..Told::new(OrderKind::Shrink, 3, 1, percent(25)).count(4).limits(2, 9) }, &[
        "25%: +old +old +old(unknown) +old(unknown) +new +new(unknown)",
        "25%: +old +old(unknown) +old(unknown) +old(unknown) +new +new",
    ]), lines(&Told::new(OrderKind::Shrink, 4, 3, percent(25)).limits(2, 9), &[
        "25%: +old +old +old +old +new +new +new(unknown) +new(unknown)",
    ]), lines(&Told::new(OrderKind::Shrink, 4, 2, testers()).limits(2, 9), &[
        "0% beta: +old +old +old +old +new +new +new(unknown)",
        "0% beta: +old +old +old +old +new +new(unknown) +new(unknown)",
    ]), lines(&Told::new(OrderKind::Shrink, 4, 2, copies()).limits(2, 9), &[
        "0% copies: +old +old +old +old +new +new +new(unknown)",
        "0% copies: +old +old +old +old +new +new(unknown) +new(unknown)",
    ]);

    a_share_grows_from_what_the_router_does: lines(&shift(), &[
        "0%: +old +old +old +old +new +new",
        "0%: +old +old +old +old +new new",
        "0%: +old +old +old +old new new",
        "0%: +old(cut,off) +old(cut,off) +old +old +new +new(unknown)",
        "0%: +old +old +old +old +new +new(cut,off)",
        "25%: +old +old +old +old +new +new(unknown)",
        "50%: +old +old +old +old +new +new(unknown)",
        "75%: +old +old(unknown) +old(unknown) +old(unknown) +new +new",
        "75%: +old +old +old(unknown) +old(unknown) +new +new(unknown)",
        "pooled: +old +old +old +old +new +new(unknown)",
        "pooled: +old +old +new(unknown) +new(unknown)",
        "pooled: +old +new +new +new(unknown)",
        "pooled: +old(unknown) +old(unknown) new new",
        "25% new>old: +old +old(unknown) +new +new(unknown)",
        "25% new>old: +old +old +new +new(unknown)",
        "75% new>old: +old +old(unknown) +new +new(unknown)",
        "25% old>other: +old +old(unknown) +new +new(unknown) +other",
        "25% other>new: +old +old(unknown) +new +new +other",
        "50% other>new: +old +old +new +new(unknown) +other",
        "50% nobody>nobody: +old +old +new +new",
        "none: old old old old new new",
        "none: old old old old new new(young)",
        "none: old old old old new new(hearsay)",
        "none: old old old old new new(nowhere)",
        "none: old old old old new new(cutting)",
        "pooled: old old old old new new",
        "pooled: old old old old new new(unknown)",
        "pooled: old(sick) old(sick) old(sick) old(sick) new new",
    ]), lines(&Told { max_unavailable: 1, ..Told::new(OrderKind::Shift, 4, 4, percent(100)).before(percent(0)).limits(3, 9) }, &[
        "0%: +old +old +old +old +new +new",
        "0%: +old +old +old +old +new +new +new +new(unknown)",
        "0%: +old +old +old +old +new +new +new(unknown) +new(unknown)",
        "0%: +old +old +old +old +new +new +new(cut,off) +new(unknown)",
        "0%: +old +old +old +old +new +new(unknown) +new(cut,off) +new(cut,off)",
        "0%: +old +old(cut,off) +old(cut,off) +old +new +new +new(unknown) +new(unknown)",
    ]), lines(&Told::new(OrderKind::Shift, 0, 2, percent(100)).before(Traffic::None).limits(0, 3), &[
        "none: new new",
        "none: new new(unknown)",
        "none: new new(nowhere)",
    ]);

    a_side_with_a_share_is_not_emptied_whatever_the_order_says: lines(
        &Told::new(OrderKind::Shrink, 0, 2, percent(50)).limits(0, 4), &[
        "50%: +old +old +new +new",
        "50%: +old +old(unknown) +new +new",
    ]);

    where_there_is_no_router_who_is_well_is_ready: lines(&rolling(), &[
        "no router: old old old new",
        "no router: old old old new(young)",
        "no router: old new new new",
    ]);

    testers_and_copies_come_when_all_of_them_are_ready: lines(
        &Told::new(OrderKind::Shift, 4, 2, testers()).before(percent(0)).limits(4, 7), &[
        "0%: +old +old +old +old +new +new",
        "0%: +old +old +old +old +new +new(unknown)",
        "0%: +old +old +old +old +new(unknown) +new(unknown)",
        "0%: +old +old +old +old +new +new(cut,off)",
        "0% beta: +old +old +old +old +new +new(unknown)",
        "0% beta old>other: +old +old +old +old +new +new(unknown)",
        "0% beta: +old +old +old(unknown) +old(unknown) +new +new",
    ]), lines(&Told::new(OrderKind::Shift, 4, 2, copies()).before(percent(0)).limits(4, 7), &[
        "0%: +old +old +old +old +new +new",
        "0%: +old +old +old +old +new +new(unknown)",
        "0% copies: +old +old +old +old +new +new(unknown)",
        "0% copies old>other: +old +old +old +old +new +new(unknown)",
    ]);

    what_is_missing_is_launched_as_far_as_there_is_room: lines(
        &Told::new(OrderKind::Grow, 2, 2, percent(0)).before(Traffic::None).limits(0, 3), &[
        "none:",
        "none: old",
        "none: old old",
        "none: old old new",
        "none: old old new(cut)",
        "none: old old new(ending)",
        "none: old old new(ended)",
        "none: old old other other other",
        "none 2x1:",
        "none 1x1:",
        "none 2x1 shut:",
    ]), lines(&Told::new(OrderKind::Grow, 2, 2, percent(75)).limits(0, 3), &[
        "none:",
    ]), lines(&Told::new(OrderKind::Grow, 2, 2, percent(50)).limits(0, 3), &[
        "none:",
    ]), lines(&Told::new(OrderKind::Grow, 2, 2, percent(0)).limits(0, 3).paused(), &[
        "none:",
    ]), lines(&adopted(Told::new(OrderKind::Grow, 2, 2, percent(0)).limits(0, 6)), &[
        "0%: +old",
        "0%: +old +old",
    ]);

    what_is_launched_goes_where_the_fewest_are: lines(
        &Told::new(OrderKind::Grow, 2, 3, percent(0)).before(Traffic::None).limits(0, 9), &[
        "none 3x4:",
        "none 3x4: old@0 old@0",
        "none 3x4: old@0 old@1",
        "none 3x4: old@0 old@2 new@0",
        "none 3x4: old@0 old@2 new@1",
        "none 2x4: old@0 old@1 new@0",
        "none 3x4: old@0 old@2 other@1 other@1",
        "none 3x4: old@0 old@2 other@1 other@1 new@2",
        "none 3x4: old@0 old@2 other@0(ended) other@0(ended)",
        "none 3x2: old@0 old@0",
        "none 3x2: old@0 other@0",
        "none 3x2: old@1 old@2 other@1 other@2",
        "none 3x4 shut: old@0 old@1",
    ]);

    no_second_writer: lines(
        &Told { exclusive: true, ..Told::new(OrderKind::InPlace, 0, 1, Traffic::NotRouted).limits(0, 1) }, &[
        "none:",
        "none: old",
        "none: old(cut,off)",
        "none: old(ending)",
        "none: old(ended)",
        "none: old(ended,recorded)",
        "none: new",
        "none: other(ending) new",
    ]), lines(&Told { exclusive: true, ..Told::new(OrderKind::Grow, 0, 2, Traffic::NotRouted).limits(0, 2) }, &[
        "none:",
    ]);

    a_router_that_lost_its_state_or_all_who_could_serve: lines(&rolling().before(percent(0)), &[
        "none: old old old new",
        "none: old old old new(young)",
        "none: old old old(hearsay) new(hearsay)",
        "none: old old old(sick) new(sick)",
        "none: old old old(unknown) new other",
        "none: old(cut) old(ended) old(ending) new",
        "pooled: old old old new",
        "pooled: -old(2) -old(0) old new",
        "pooled: +old(sick) +old(sick) new(young)",
        "pooled: +old(ending) +old(ended) new(young) other(young)",
        "pooled: +old(cut) new(young)",
    ]), lines(&rolling().before(Traffic::None), &[
        "none: old old old new",
        "none: new(young) new(hearsay)",
    ]), lines(&rolling().before(percent(0)).paused(), &[
        "none: old old old new",
        "pooled: old old old new(young) other",
        "pooled: -old(2) -new(2)",
    ]), lines(&shift().paused(), &[
        "none: old old old old new new",
        "0%: old old old old new other",
        "0%: -old(2) -old(2) -old(2) -old(2)",
    ]), lines(&grow().paused(), &[
        "none: old old old old new new",
    ]);

    a_split_that_is_held_back: lines(&Told::new(OrderKind::Grow, 2, 1, percent(0)).limits(2, 5), &[
        "pooled: +old +old new",
        "pooled: +old(sick) +other old new",
        "50%: +old +old(sick) new other",
        "50%: +old +old new other",
        "pooled: +old +other -new(2)",
        "pooled: +old -new(2)",
    ]);

    those_that_leave_come_back_when_the_rest_is_too_few: lines(&shrink(), &[
        "100%: -old(2) +new +new +new",
        "100%: -old(2) +new +new +new(sick)",
        "100%: -old(2,sick) +new +new +new(sick)",
        "100%: -old(2,young) +new +new +new(sick)",
        "100%: -old(2,hearsay) +new +new +new(sick)",
        "100%: -old(0) +new +new +new(sick)",
        "100%: -other(2) +new +new +new(sick)",
        "50%: -old(2) +new +new +new",
        "100%: -new(2) +new +new",
        "100%: -new(0) +new +new",
    ]), lines(&rolling().paused(), &[
        "pooled: -old(2) -old(2) +old +old",
        "pooled: -new(2) +new +new +new",
        "pooled: -new(0) +new +new +new",
    ]);

    a_drain_takes_its_time: lines(&drains(5, 20), &[
        "100%: -old(?) -new(?) -other(?) +new +new",
        "100%: -old(?) +new +new",
        "100%: -other(?) +new +new",
        "100%: -old(2) +new +new",
        "100%: -old(2,nearly) +new +new",
        "100%: -old(2,over) -other(2,over) +new +new",
        "100%: -old(0) +new +new",
        "100% accepted: -old(0) +new +new",
        "100% accepted: -old(0,nearly) +new +new",
        "100% accepted: -old(0,over) +new +new",
        "100% accepted: -old(?,over) +new +new",
        "100%: -old(2,gone) +new +new",
        "100%: -old(0,gone) +new +new",
        "100%: -old(2,ending) +new +new",
        "100%: -old(2,cut) +new +new",
        "100%: -old(0,cut) +new +new",
    ]), lines(&adopted(drains(5, 20)), &[
        "100%: -old(?) +new +new",
    ]), lines(&adopted(Told { to: None, ..stop() }), &[
        "none: -old(?)",
        "none: old",
    ]);

    when_to_look_again: lines(&rolling(), &[
        "pooled: +new +new +new(young)",
        "pooled: +new +new +new(sickening)",
        "pooled: +new +new +new +new(young,ended)",
        "pooled: +new +new +new +other(young,ending)",
        "pooled: +new +new +new other(ending)",
        "pooled: +new +new +new(older) +other",
        "pooled: +new +new +new old",
        "pooled: +new +new +new",
    ]);

    members_that_have_moved_or_are_nowhere: lines(&rolling(), &[
        "pooled: +new +new +new(moved)",
        "pooled: +new +new -new(2,moved)",
        "pooled: +new +new +new(nowhere)",
        "pooled: +new +new new(nowhere)",
        "pooled: +new +new(gone) new",
        "none: +new +new +new",
    ]);

    an_autoscaler_may_live_above_its_count: lines(&at_least(grow()), &[
        "0%: +old +old +old +old +old +old new new",
        "0%: +old +old +old new new",
        "0%: +old +old +old +old +old(sick) new new new",
    ]);

    what_is_written_off_goes_with_its_side_alone: lines(
        &Told::new(OrderKind::Shrink, 2, 0, percent(0)).limits(1, 6), &[
        "0%: +old +old +old(cut,off)",
        "0%: +old +old +old(cut)",
        "0%: +old +old new(cut,off) new(sick,off)",
        "0%: +old +old +new(cut,off) +new(sick,off)",
    ]);
}
