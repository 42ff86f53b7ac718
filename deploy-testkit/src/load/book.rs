//! Keeps the counts while the load runs.

use super::{
    figures::SocketFigures,
    report::{ClientKind, DESCRIBED, Loss, Report, Section},
    running::Snapshot,
    schedule::Sort,
    verdict::{Answer, Verdict},
};
use deploy_core::Timestamp;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The section a request was sent in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page(usize);

/// How long a request took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) from_due: Duration,
    pub(super) from_send: Duration,
}

/// The counts of all sections so far.
#[derive(Debug)]
pub(super) struct Book {
    began: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    turned: Instant,
    now: Snapshot,
    sections: Vec<Section>,
}

impl Book {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        let sections = vec![Section::new("start", false)];
        Self { began, pages: Mutex::new(Pages { turned: began, now: Snapshot::default(), sections }) }
    }

    pub(super) fn mark(&self, section: Section) {
        let mut pages = self.pages();
        pages.close();
        pages.sections.push(section);
    }

    pub(super) fn sent(&self, client: ClientKind, sort: Sort, late: Duration) -> Page {
        let mut pages = self.pages();
        pages.now.sent += 1;
        pages.now.outstanding += 1;
        let page = Page(pages.sections.len() - 1);
        let section = pages.at(page);
        section.sent += 1;
        section.calls.sent += u64::from(sort == Sort::Call);
        section.clients.entry(client).or_default().sent += 1;
        section.latest_start = section.latest_start.max(late);
        page
    }

    pub(super) fn overrun(&self) {
        let mut pages = self.pages();
        pages.now.overrun += 1;
        pages.last().overrun += 1;
    }

    pub(super) fn reused_closed(&self, page: Page, client: ClientKind) {
        let mut pages = self.pages();
        let section = pages.at(page);
        section.reused_closed += 1;
        section.clients.entry(client).or_default().reused_closed += 1;
    }

    /// Counts what became of a request.
    pub(super) fn ended(&self, page: Page, client: ClientKind, sort: Sort, end: Result<Answer, String>, took: Took) {
        let lost = {
            let mut pages = self.pages();
            pages.now.outstanding -= 1;
            let lost = match end {
                Ok(answer) => pages.answered(page, answer, sort, took),
                Err(what) => Some(what),
            };
            pages.at(page).calls.lost += u64::from(sort == Sort::Call && lost.is_some());
            lost
        };
        if let Some(what) = lost {
            self.lost(page, client, what);
        }
    }

    pub(super) fn lost(&self, page: Page, client: ClientKind, what: String) {
        let after = self.began.elapsed();
        let mut pages = self.pages();
        let socket = u64::from(client == ClientKind::WebSocket);
        pages.now.lost += 1;
        pages.now.sockets.lost += socket;
        let section = pages.at(page);
        section.lost += 1;
        section.sockets.lost += socket;
        section.clients.entry(client).or_default().lost += 1;
        if section.losses.len() < DESCRIBED {
            section.losses.push(Loss { at: Timestamp::now(), after, client, what });
        }
    }

    /// The section that is being written.
    pub(super) fn page(&self) -> Page {
        Page(self.pages().sections.len() - 1)
    }

    /// Changes the WebSockets' figures of the present section.
    pub(super) fn sockets(&self, change: impl Fn(&mut SocketFigures)) {
        let mut pages = self.pages();
        change(&mut pages.now.sockets);
        change(&mut pages.last().sockets);
    }

    /// Counts a WebSocket handshake that the release itself refused.
    pub(super) fn own_error(&self) {
        let mut pages = self.pages();
        pages.now.own_errors += 1;
        pages.last().own_errors += 1;
    }

    pub(super) fn now(&self) -> Snapshot {
        self.pages().now
    }

    /// The last section ends; it is not ended again.
    pub(super) fn close(&self) {
        self.pages().close();
    }

    pub(super) fn report(&self) -> Report {
        Report { sections: self.pages().sections.clone() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn at(&mut self, page: Page) -> &mut Section {
        &mut self.sections[page.0]
    }

    fn last(&mut self) -> &mut Section {
        let last = self.sections.len() - 1;
        &mut self.sections[last]
    }

    fn close(&mut self) {
        let span = self.turned.elapsed();
        self.turned = Instant::now();
        self.last().duration = span;
    }

    /// Counts a complete response; why it is a loss all the same, if it is one.
    fn answered(&mut self, page: Page, answer: Answer, sort: Sort, took: Took) -> Option<String> {
        let verdict = answer.verdict(sort);
        let is_own = u64::from(verdict == Verdict::OwnError);
        self.now.own_errors += is_own;
        let section = self.at(page);
        section.count(&answer);
        if sort == Sort::Call {
            section.calls.ok += u64::from(verdict == Verdict::Ok);
            section.calls.own_errors += is_own;
            *section.calls.versions.entry(answer.callee.clone().unwrap_or_default()).or_default() += 1;
        }
        match verdict {
            Verdict::Lost => return Some(answer.blame()),
            Verdict::OwnError => {
                section.own_errors += 1;
                *section.own_errors_of.entry(answer.version.unwrap_or_default()).or_default() += 1;
            }
            Verdict::Ok => section.ok += 1,
        }
        if sort == Sort::Quick {
            section.latency.record(took.from_due);
            section.latency_from_send.record(took.from_send);
        }
        None
    }
}

impl Section {
    fn count(&mut self, answer: &Answer) {
        let named = |name: &Option<String>| name.clone().unwrap_or_default();
        *self.statuses.entry(answer.status).or_default() += 1;
        *self.versions.entry(named(&answer.version)).or_default() += 1;
        *self.sides.entry(named(&answer.side)).or_default() += 1;
    }
}
