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

/// What is to be sent, how often and by whom.
pub(super) struct Schedule {
    pub(super) book: Arc<Book>,
    pub(super) target: Arc<Target>,
    pub(super) clients: Vec<Arc<Client>>,
    pub(super) path: Arc<str>,
    pub(super) slow_path: Arc<str>,
    pub(super) rate: u32,
    pub(super) slow_percent: f64,
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
        let turn = turn(number, self.slow_percent);
        let index = (turn.nth % self.clients.len() as u64) as usize;
        let request = One {
            book: self.book.clone(),
            target: self.target.clone(),
            client: self.clients[index].clone(),
            path: if turn.slow { self.slow_path.clone() } else { self.path.clone() },
            page: self.book.sent(due.elapsed()),
            due,
            is_quick: !turn.slow,
        };
        requests.spawn(request.run());
    }
}

/// Whether a request is slow, and the how many-eth of its sort it is.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    slow: bool,
    nth: u64,
}

/// Spreads the slow requests evenly, and either sort over all clients.
fn turn(number: u64, slow_percent: f64) -> Turn {
    let slow_before = |number: u64| (number as f64 * slow_percent / 100.0) as u64;
    let before = slow_before(number);
    let slow = slow_before(number + 1) > before;
    Turn { slow, nth: if slow { before } else { number - before } }
}

/// One request that is due.
struct One {
    book: Arc<Book>,
    target: Arc<Target>,
    client: Arc<Client>,
    path: Arc<str>,
    page: Page,
    due: Instant,
    is_quick: bool,
}

impl One {
    async fn run(self) {
        let began = Instant::now();
        let fetch = self.client.fetch(&self.target, &self.path, || self.book.reused_closed(self.page));
        let end = match time::timeout(self.target.timeout, fetch).await {
            Ok(end) => end,
            Err(_) => Err(format!("no complete response within {:?}", self.target.timeout)),
        };
        let end = end.map_err(|what| format!("GET {}: {what}", self.path));
        let took = Took { from_due: self.due.elapsed(), from_send: began.elapsed() };
        self.book.ended(self.page, self.client.kind(), end, self.is_quick.then_some(took));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hundredth_is_slow_and_each_sort_has_its_own_turn() {
        let turns: Vec<_> = (0..1_000).map(|number| turn(number, 1.0)).collect();
        let slow: Vec<_> = turns.iter().filter(|turn| turn.slow).map(|turn| turn.nth).collect();
        let quick: Vec<_> = turns.iter().filter(|turn| !turn.slow).map(|turn| turn.nth).collect();
        assert_eq!(slow, (0..10).collect::<Vec<_>>());
        assert_eq!(quick, (0..990).collect::<Vec<_>>());
    }

    #[test]
    fn none_or_all_can_be_slow() {
        assert!((0..500).all(|number| !turn(number, 0.0).slow));
        assert!((0..500).all(|number| turn(number, 100.0).slow));
    }
}
