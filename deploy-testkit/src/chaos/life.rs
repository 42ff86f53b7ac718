//! One life of an engine, as the outside sees it: every boundary that its calls cross.

use super::fault::{Fault, Lasting, Strike};
use super::log::{Log, Write};
use crate::sim::Dice;
use deploy_core::{Error, Kind, Result, Token, TrackRef};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Where a call is when it crosses a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It was begun, and nothing has come of it.
    Before,
    /// It has had its effect, and nobody knows yet.
    After,
}

/// What becomes of calls at their boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    /// No call crosses.
    Frozen,
    /// The call that was frozen first crosses, and no other.
    Lands(u64),
}

/// One life of an engine. Everything it calls is made to cross here; clones are one life.
///
/// Calls that nothing was told about go on after a few milliseconds. When the boundary that was
/// aimed at is reached, no call crosses any more: the engine stands as if its process were stopped.
#[derive(Debug, Clone)]
pub struct Life(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: usize,
    log: Log,
    state: watch::Sender<State>,
    struck: Notify,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    dice: Dice,
    counts: bool,
    names: Vec<String>,
    aim: Option<u64>,
    fault: Option<(u64, Lasting)>,
}

impl Life {
    pub(super) fn new(number: usize, log: Log, seed: u64) -> Self {
        let book = Book { dice: Dice::new(seed), counts: false, names: Vec::new(), aim: None, fault: None };
        let state = watch::Sender::new(State::Runs);
        Self(Arc::new(Inner { number, log, state, struck: Notify::new(), book: Mutex::new(book) }))
    }

    /// Begins to count boundaries.
    pub(super) fn count(&self) {
        self.book().counts = true;
    }

    /// Freezes at this boundary, counted from 0.
    pub(super) fn aim(&self, boundary: u64) {
        self.book().aim = Some(boundary);
    }

    /// A fault of the store at the call that begins with this boundary.
    pub(super) fn fault(&self, boundary: u64, fault: Fault) {
        self.book().fault = Some((boundary, Lasting::new(fault)));
    }

    /// The boundaries that were counted, by name.
    pub(super) fn names(&self) -> Vec<String> {
        self.book().names.clone()
    }

    /// Waits until the boundary is reached, or the call that was let through has had its effect.
    pub(super) async fn struck(&self) {
        self.0.struck.notified().await;
    }

    pub(super) fn is_frozen(&self) -> bool {
        *self.0.state.borrow() == State::Frozen
    }

    pub(super) fn number(&self) -> usize {
        self.0.number
    }

    pub(super) fn thaw(&self) {
        self.0.state.send_replace(State::Runs);
    }

    /// Lets the call that was frozen first have its effect.
    pub(super) fn land(&self, boundary: u64) {
        self.0.state.send_replace(State::Lands(boundary));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that crosses two boundaries, of a name.
    ///
    /// # Errors
    /// As the work; what the fault that was set says.
    pub async fn call<T>(&self, name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let (number, strike) = self.cross(name, Side::Before).await;
        self.lag().await;
        if let Strike::Fails(kind) = strike {
            return Err(Error::new(kind, format!("{name} was made to fail")));
        }
        if let Strike::Late(span) = strike {
            tokio::time::sleep(span).await;
        }
        let made = work.await;
        if let Strike::Slow(span) = strike {
            tokio::time::sleep(span).await;
        }
        self.leave(name, number).await;
        match strike {
            Strike::Lost => {
                made.and_then(|_| Err(Error::new(Kind::Unavailable, format!("the answer of {name} was lost"))))
            }
            _ => made,
        }
    }

    /// The same for a write: what was taken is kept for the checks.
    pub(super) async fn write<T>(
        &self,
        name: &str,
        to: Option<(&TrackRef, Token)>,
        epoch: u64,
        took: impl Fn(&T) -> bool,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (life, log) = (self.0.number, self.0.log.clone());
        self.call(name, async move {
            let made = work.await;
            if made.as_ref().is_ok_and(took) {
                let to = to.map(|(track, token)| (track.clone(), token));
                log.add(Write { life, what: name.to_owned(), to, epoch });
            }
            made
        })
        .await
    }

    async fn cross(&self, name: &str, side: Side) -> (Option<u64>, Strike) {
        let running = *self.0.state.borrow() == State::Runs;
        let (number, strike) = if running { self.book().arrive(name, side) } else { (None, Strike::Nothing) };
        if number.is_some() && self.book().aim == number {
            self.0.state.send_replace(State::Frozen);
            self.0.struck.notify_one();
        }
        self.pass(number).await;
        (number, strike)
    }

    /// After its effect. A call of a dead engine ends here.
    async fn leave(&self, name: &str, number: Option<u64>) {
        let landed = *self.0.state.borrow() == State::Lands(number.unwrap_or(u64::MAX));
        if landed {
            self.0.state.send_replace(State::Frozen);
            self.0.struck.notify_one();
        }
        self.cross(name, Side::After).await;
    }

    async fn pass(&self, number: Option<u64>) {
        let mut state = self.0.state.subscribe();
        let lets = |state: &State| match state {
            State::Runs => true,
            State::Frozen => false,
            State::Lands(boundary) => number == Some(*boundary),
        };
        // The sender lives as long as this life.
        let _ = state.wait_for(lets).await;
    }

    /// A call takes its time.
    async fn lag(&self) {
        let span = self.book().dice.millis(0, 12);
        if span > Duration::ZERO {
            tokio::time::sleep(span).await;
        }
    }
}

impl Book {
    /// The number of a boundary, where boundaries are counted, and what strikes there.
    fn arrive(&mut self, name: &str, side: Side) -> (Option<u64>, Strike) {
        if !self.counts {
            return (None, Strike::Nothing);
        }
        let number = self.names.len() as u64;
        let words = if side == Side::Before { "before" } else { "after" };
        self.names.push(format!("{words} {name}"));
        let strike = match &mut self.fault {
            Some((from, fault)) if side == Side::Before && number >= *from => fault.strike(name, number == *from),
            _ => Strike::Nothing,
        };
        (Some(number), strike)
    }
}
