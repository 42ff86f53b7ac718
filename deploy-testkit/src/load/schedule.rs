//! Starts each request when it is due.

use super::{
    book::{Book, Page, Took},
    client::Client,
    connection::Target,
    running::told,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet, time};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Quick,
    Slow,
    Call,
}

/// What is to be sent, how often and by whom.
pub(super) struct Schedule {
    pub(super) book: Arc<Book>,
    pub(super) target: Arc<Target>,
    pub(super) clients: Vec<Arc<Client>>,
    pub(super) path: Arc<str>,
    pub(super) slow_path: Arc<str>,
    pub(super) rate: u32,
    pub(super) slow_percent: f64,
    pub(super) call_path: Arc<str>,
    pub(super) call_percent: f64,
    pub(super) outstanding: usize,
}

impl Schedule {
    /// Sends until told to stop, then waits for what is outstanding.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let began = Instant::now();
        let mut requests = JoinSet::new();
        for number in 0u64.. {
            let due = began + Duration::from_secs_f64(number as f64 / f64::from(self.rate));
            tokio::select! {
                biased;
                () = told(&mut stop) => break,
                () = time::sleep_until(due.into()) => {}
            }
            while requests.try_join_next().is_some() {}
            self.start(number, due, &mut requests);
        }
        while requests.join_next().await.is_some() {}
    }

    fn start(&self, number: u64, due: Instant, requests: &mut JoinSet<()>) {
        if requests.len() >= self.outstanding {
            return self.book.overrun();
        }
        let turn = turn(number, self.slow_percent, self.call_percent);
        let index = (turn.nth % self.clients.len() as u64) as usize;
        let client = self.clients[index].clone();
        let request = One {
            book: self.book.clone(),
            target: self.target.clone(),
            path: self.path(turn.sort).clone(),
            page: self.book.sent(client.kind(), turn.sort, due.elapsed()),
            client,
            due,
            sort: turn.sort,
        };
        requests.spawn(request.run());
    }

    fn path(&self, sort: Sort) -> &Arc<str> {
        match sort {
            Sort::Quick => &self.path,
            Sort::Slow => &self.slow_path,
            Sort::Call => &self.call_path,
        }
    }
}

/// What a request is for, and the how many-eth of its sort it is.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    sort: Sort,
    nth: u64,
}

/// Spreads the slow requests evenly, the calls evenly over the others, and each sort over all clients.
fn turn(number: u64, slow_percent: f64, call_percent: f64) -> Turn {
    let (is_slow, slow) = spread(number, slow_percent);
    if is_slow {
        return Turn { sort: Sort::Slow, nth: slow };
    }
    let (is_call, calls) = spread(number - slow, call_percent);
    if is_call {
        return Turn { sort: Sort::Call, nth: calls };
    }
    Turn { sort: Sort::Quick, nth: number - slow - calls }
}

/// Whether a request is of a share of them, and how many before it are.
fn spread(number: u64, percent: f64) -> (bool, u64) {
    let before = |number: u64| (number as f64 * percent / 100.0) as u64;
    (before(number + 1) > before(number), before(number))
}

/// One request that is due.
struct One {
    book: Arc<Book>,
    target: Arc<Target>,
    client: Arc<Client>,
    path: Arc<str>,
    page: Page,
    due: Instant,
    sort: Sort,
}

impl One {
    async fn run(self) {
        let began = Instant::now();
        let kind = self.client.kind();
        let fetch = self.client.fetch(&self.target, &self.path, || self.book.reused_closed(self.page, kind));
        let end = match time::timeout(self.target.timeout, fetch).await {
            Ok(end) => end,
            Err(_) => Err(format!("no complete response within {:?}", self.target.timeout)),
        };
        let end = end.map_err(|what| format!("GET {}: {what}", self.path));
        let took = Took { from_due: self.due.elapsed(), from_send: began.elapsed() };
        self.book.ended(self.page, kind, self.sort, end, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sort: Sort, turns: &[Turn]) -> Vec<u64> {
        turns.iter().filter(|turn| turn.sort == sort).map(|turn| turn.nth).collect()
    }

    #[test]
    fn every_hundredth_is_slow_and_each_sort_has_its_own_turn() {
        let turns: Vec<_> = (0..1_000).map(|number| turn(number, 1.0, 10.0)).collect();
        assert_eq!(of(Sort::Slow, &turns), (0..10).collect::<Vec<_>>());
        assert_eq!(of(Sort::Call, &turns), (0..99).collect::<Vec<_>>());
        assert_eq!(of(Sort::Quick, &turns), (0..891).collect::<Vec<_>>());
    }

    #[test]
    fn none_or_all_can_be_slow() {
        assert!((0..500).all(|number| turn(number, 0.0, 0.0).sort == Sort::Quick));
        assert!((0..500).all(|number| turn(number, 100.0, 50.0).sort == Sort::Slow));
    }
}
