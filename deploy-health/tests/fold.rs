//! Folding, by examples and by properties.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use deploy_core::{Folded, Health, Timestamp, Timing};
use deploy_health::Fold;
use proptest::prelude::*;
use std::time::Duration;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn timing(healthy: u32, unhealthy: u32) -> Timing {
    Timing { healthy, unhealthy, ..Timing::default() }
}

/// Samples one a second from second 1: `g`ood, `b`ad, `u`nknown.
fn fed(mut fold: Fold, answers: &str) -> Folded {
    for (second, answer) in (1..).zip(answers.chars()) {
        fold.sample(at(second), answer_of(answer));
    }
    fold.folded()
}

fn answer_of(letter: char) -> Health {
    match letter {
        'g' => Health::Healthy,
        'b' => Health::Unhealthy,
        _ => Health::Unknown,
    }
}

fn folded(health: Health, since: i64, fresh: bool) -> Folded {
    Folded { health, since: at(since), fresh }
}

#[test]
fn thresholds_decide() {
    let fold = || Fold::new(timing(2, 3), at(0));
    assert_eq!(fed(fold(), ""), folded(Health::Unknown, 0, false));
    assert_eq!(fed(fold(), "g"), folded(Health::Unknown, 0, false));
    assert_eq!(fed(fold(), "gg"), folded(Health::Healthy, 2, true));
    assert_eq!(fed(fold(), "gbg"), folded(Health::Unknown, 0, false));
    assert_eq!(fed(fold(), "bb"), folded(Health::Unknown, 0, false));
    assert_eq!(fed(fold(), "bbb"), folded(Health::Unhealthy, 3, true));
    assert_eq!(fed(fold(), "ggbbb"), folded(Health::Unhealthy, 5, true));
}

#[test]
fn a_flap_below_the_threshold_restarts_since() {
    let fold = || Fold::new(timing(1, 3), at(0));
    assert_eq!(fed(fold(), "gggg"), folded(Health::Healthy, 1, true));
    assert_eq!(fed(fold(), "ggb"), folded(Health::Healthy, 3, true));
    assert_eq!(fed(fold(), "ggbb"), folded(Health::Healthy, 4, true));
    assert_eq!(fed(fold(), "ggbbg"), folded(Health::Healthy, 5, true));
    assert_eq!(fed(fold(), "ggbbggg"), folded(Health::Healthy, 5, true));
}

#[test]
fn unknown_answers_neither_confirm_nor_break_until_they_are_a_row() {
    let fold = || Fold::new(timing(2, 3), at(0));
    assert_eq!(fed(fold(), "gug"), folded(Health::Healthy, 3, true));
    assert_eq!(fed(fold(), "gguug"), folded(Health::Healthy, 2, true));
    assert_eq!(fed(fold(), "ggbubub"), folded(Health::Unhealthy, 7, true));
    assert_eq!(fed(fold(), "gguuu"), folded(Health::Unknown, 5, true));
    assert_eq!(fed(fold(), "gguuug"), folded(Health::Unknown, 5, true));
    assert_eq!(fed(fold(), "gguuugg"), folded(Health::Healthy, 7, true));
}

#[test]
fn what_a_record_says_is_fresh_only_once_confirmed() {
    let healthy = folded(Health::Healthy, -100, true);
    let fold = || Fold::resume(timing(2, 2), healthy);
    assert_eq!(fed(fold(), ""), folded(Health::Healthy, -100, false));
    assert_eq!(fed(fold(), "g"), folded(Health::Healthy, -100, false));
    assert_eq!(fed(fold(), "gg"), folded(Health::Healthy, -100, true));
    assert_eq!(fed(fold(), "b"), folded(Health::Healthy, 1, false));
    assert_eq!(fed(fold(), "bb"), folded(Health::Unhealthy, 2, true));
    assert_eq!(fed(fold(), "uu"), folded(Health::Unknown, 2, true));
}

#[test]
fn only_changes_are_told() {
    let mut fold = Fold::new(timing(1, 2), at(0));
    assert_eq!(fold.sample(at(1), Health::Healthy), Some(folded(Health::Healthy, 1, true)));
    assert_eq!(fold.sample(at(2), Health::Healthy), None);
    assert_eq!(fold.sample(at(3), Health::Unknown), None);
    assert_eq!(fold.sample(at(4), Health::Unhealthy), Some(folded(Health::Healthy, 4, true)));
    assert_eq!(fold.sample(at(5), Health::Unhealthy), Some(folded(Health::Unhealthy, 5, true)));
}

#[test]
fn questions_are_due_after_the_initial_delay_and_then_an_interval_after_each_answer() {
    let seconds = Duration::from_secs;
    let timing = Timing { initial_delay: seconds(10), interval: seconds(5), ..Timing::default() };
    let mut fold = Fold::new(timing.clone(), at(100));
    assert_eq!(fold.due(at(100)), at(110));
    assert_eq!(fold.due(at(120)), at(120));
    fold.sample(at(121), Health::Unknown);
    assert_eq!(fold.due(at(121)), at(126));
    assert_eq!(fold.due(at(130)), at(130));
    let known = Fold::resume(timing, folded(Health::Unhealthy, 100, true));
    assert_eq!(known.due(at(105)), at(105));
}

#[test]
fn an_interval_of_nothing_is_ten_milliseconds() {
    let mut fold = Fold::new(Timing { interval: Duration::ZERO, ..Timing::default() }, at(0));
    fold.sample(at(1), Health::Healthy);
    assert_eq!(fold.due(at(1)), at(1) + Duration::from_millis(10));
}

fn rows() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[gbu]{0,60}").unwrap()
}

/// The length of the row of `letter` at the end, unknown answers passed over.
fn row(answers: &str, letter: char) -> u32 {
    answers.chars().rev().filter(|&other| other != 'u').take_while(|&other| other == letter).count() as u32
}

proptest! {
    #[test]
    fn without_unknown_answers_the_state_is_the_last_row_that_reached_its_threshold(
        answers in "[gb]{0,60}", healthy in 0..5_u32, unhealthy in 0..5_u32,
    ) {
        let mut expected = Health::Unknown;
        for end in 1..=answers.len() {
            let seen = &answers[..end];
            if seen.ends_with('g') && row(seen, 'g') >= healthy.max(1) { expected = Health::Healthy; }
            if seen.ends_with('b') && row(seen, 'b') >= unhealthy.max(1) { expected = Health::Unhealthy; }
        }
        prop_assert_eq!(fed(Fold::new(timing(healthy, unhealthy), at(0)), &answers).health, expected);
    }

    #[test]
    fn a_state_is_never_reached_without_its_row(answers in rows(), healthy in 1..5_u32, unhealthy in 1..5_u32) {
        let mut fold = Fold::new(timing(healthy, unhealthy), at(0));
        for (index, letter) in answers.char_indices() {
            let before = fold.folded().health;
            fold.sample(at(index as i64 + 1), answer_of(letter));
            let after = fold.folded().health;
            let seen = &answers[..=index];
            if after != before {
                prop_assert_eq!(after, answer_of(letter));
                match after {
                    Health::Healthy => prop_assert!(row(seen, 'g') >= healthy),
                    Health::Unhealthy => prop_assert!(row(seen, 'b') >= unhealthy),
                    Health::Unknown => prop_assert!(seen.ends_with(&"u".repeat(unhealthy as usize))),
                }
            }
        }
    }

    #[test]
    fn healthy_since_then_means_no_bad_answer_since_then(answers in rows(), healthy in 1..5_u32, unhealthy in 1..5_u32) {
        let folded = fed(Fold::new(timing(healthy, unhealthy), at(0)), &answers);
        if folded.health == Health::Healthy {
            let since = folded.since.as_second() as usize;
            prop_assert!(!answers[since..].contains('b'), "since {} in {}", since, answers);
        }
    }

    #[test]
    fn since_never_runs_backward_and_every_change_is_told(answers in rows(), healthy in 0..5_u32, unhealthy in 0..5_u32) {
        let mut fold = Fold::new(timing(healthy, unhealthy), at(0));
        for (second, letter) in (1..).zip(answers.chars()) {
            let before = fold.folded();
            let told = fold.sample(at(second), answer_of(letter));
            prop_assert!(fold.folded().since >= before.since);
            prop_assert_eq!(told, (fold.folded() != before).then(|| fold.folded()));
            prop_assert!(fold.due(at(second)) > at(second));
        }
    }

    #[test]
    fn a_restart_in_the_middle_never_makes_a_state_fresh_by_itself(before in rows(), healthy in 1..5_u32, unhealthy in 1..5_u32) {
        let earlier = fed(Fold::new(timing(healthy, unhealthy), at(0)), &before);
        let resumed = Fold::resume(timing(healthy, unhealthy), earlier).folded();
        prop_assert_eq!(resumed, Folded { fresh: false, ..earlier });
    }
}
