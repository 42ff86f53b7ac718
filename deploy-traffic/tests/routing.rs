//! Who gets which request.
#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod support;

use deploy_core::{Kind, Match, MetricSource, Router, Share, Split, Spread, Sticky, Timestamp, Token};
use deploy_traffic::{Config, EmbeddedProxy};
use std::time::Duration;
use support::*;

struct Two {
    proxy: EmbeddedProxy,
    stable: App,
    candidate: App,
    generation: u64,
}

impl Two {
    async fn start() -> Self {
        let proxy = EmbeddedProxy::start(Config::default()).unwrap();
        let mut two = Self { proxy, stable: App::start("v1").await, candidate: App::start("v2").await, generation: 0 };
        two.to(Spread::Pooled).await;
        two
    }

    async fn to(&mut self, spread: Spread) {
        self.generation += 1;
        let members = [self.stable.member("a"), self.candidate.member("b")];
        self.proxy.apply(&routes(self.generation, spread, &members)).await.unwrap();
    }

    async fn client(&self) -> Client {
        Client::connect(self.proxy.addresses(&track())[0]).await
    }
}

async fn candidates(client: &mut Client, number: usize) -> usize {
    let mut seen = 0;
    for _ in 0..number {
        seen += usize::from(client.get("/").await.text() == "v2");
    }
    seen
}

#[tokio::test]
async fn shares_are_exact_down_to_a_fraction_of_a_percent() {
    let mut two = Two::start().await;
    let mut client = two.client().await;
    for (points, number, wanted) in [(0, 20, 0), (500, 100, 5), (2_500, 100, 25), (50, 400, 2), (10_000, 20, 20)] {
        two.to(split(Split::share(Share::basis_points(points)))).await;
        assert_eq!(candidates(&mut client, number).await, wanted, "{points} basis points of {number}");
    }
}

#[tokio::test]
async fn a_share_told_again_with_a_newer_token_goes_on_where_it_was() {
    let mut two = Two::start().await;
    let mut client = two.client().await;
    let mut seen = 0;
    for _ in 0..40 {
        two.to(split(Split::percent(10))).await;
        seen += candidates(&mut client, 1).await;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn headers_and_cookies_lead_to_the_candidate() {
    let mut two = Two::start().await;
    let header = Match::Header { name: "X-Beta".into(), value: "yes".into() };
    let cookie = Match::Cookie { name: "beta".into(), value: "1".into() };
    two.to(split(Split::matching([header, cookie]))).await;
    let mut client = two.client().await;
    assert_eq!(client.get("/").await.text(), "v1");
    assert_eq!(client.get_with("/", &[("x-beta", "yes")]).await.text(), "v2");
    assert_eq!(client.get_with("/", &[("x-beta", "no")]).await.text(), "v1");
    assert_eq!(client.get_with("/", &[("cookie", "a=b; beta=1")]).await.text(), "v2");
}

#[tokio::test]
async fn who_has_seen_the_candidate_stays_on_it_as_its_share_grows() {
    let mut two = Two::start().await;
    let sticky = Sticky { cookie: "side".into(), max_age: Duration::from_secs(600) };
    let mut client = two.client().await;
    let mut clients: Vec<(String, String)> = Vec::new();
    two.to(split(Split::percent(30).sticky(sticky.clone()))).await;
    for _ in 0..100 {
        let got = client.get("/").await;
        let cookie = got.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        clients.push((cookie, got.text().to_owned()));
    }
    let mut on_candidate = 0;
    for percent in [30, 31, 50, 80, 99] {
        two.to(split(Split::percent(percent).sticky(sticky.clone()))).await;
        for (cookie, side) in &mut clients {
            let got = client.get_with("/", &[("cookie", cookie.as_str())]).await;
            assert!(!got.headers.contains_key("set-cookie"));
            assert!(side == "v1" || got.text() == "v2", "a client left the candidate at {percent} %");
            *side = got.text().to_owned();
        }
        let now = clients.iter().filter(|(_, side)| side == "v2").count();
        assert!(now >= on_candidate);
        on_candidate = now;
    }
    assert!(on_candidate > 80, "{on_candidate} of 100 at 99 %");
}

#[tokio::test]
async fn under_none_the_proxy_answers_by_itself() {
    let mut two = Two::start().await;
    let mut client = two.client().await;
    two.to(Spread::None).await;
    let got = client.get("/").await;
    assert_eq!((got.status, got.reason()), (503, "closed"));
    assert_eq!(got.headers["retry-after"], "1");
    two.to(Spread::Pooled).await;
    assert_eq!(client.get("/").await.status, 200, "on the same connection");
}

#[tokio::test]
async fn an_older_token_changes_nothing() {
    let mut two = Two::start().await;
    two.to(split(Split::candidate())).await;
    let older = routes(1, Spread::None, &[]);
    assert_eq!(two.proxy.apply(&older).await.unwrap_err().kind(), Kind::Fenced);
    assert_eq!(two.proxy.remove(&track(), Token::new(1, 1)).await.unwrap_err().kind(), Kind::Fenced);
    assert_eq!(two.proxy.fence(&track(), Token::new(1, 1)).await.unwrap(), Token::new(1, 2));
    assert_eq!(two.proxy.fence(&track(), Token::new(2, 0)).await.unwrap(), Token::new(2, 0));
    let state = two.proxy.observe(&track()).await.unwrap();
    assert_eq!((state.token, state.spread), (Token::new(2, 0), split(Split::candidate())));
    assert_eq!(two.proxy.apply(&routes(9, Spread::Pooled, &[])).await.unwrap_err().kind(), Kind::Fenced);
}

#[tokio::test]
async fn the_same_state_again_changes_nothing_and_what_was_told_is_shown() {
    let two = Two::start().await;
    let members = [two.stable.member("a"), two.candidate.member("b")];
    let told = routes(1, Spread::Pooled, &members);
    two.proxy.apply(&told).await.unwrap();
    let state = two.proxy.observe(&track()).await.unwrap();
    let seen: Vec<_> = state.members.iter().map(|routed| (routed.member.clone(), routed.in_flight)).collect();
    assert_eq!(seen, members.map(|member| (member, Some(0))));
}

#[tokio::test]
async fn a_workload_that_was_never_told_of_is_empty() {
    let proxy = EmbeddedProxy::start(Config::default()).unwrap();
    let state = proxy.observe(&track()).await.unwrap();
    assert_eq!(state, deploy_core::RouteState::empty(deploy_core::Evidence::DataPlane));
}

#[tokio::test]
async fn a_taken_port_is_told_and_nothing_has_changed() {
    let mut two = Two::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut told = routes(2, Spread::None, &[]);
    told.ports = vec![port];
    let error = two.proxy.apply(&told).await.unwrap_err();
    assert_eq!(error.message(), format!("port {port} on 127.0.0.1 is taken by another program"));
    let state = two.proxy.observe(&track()).await.unwrap();
    assert_eq!((state.token, state.spread), (Token::new(1, 1), Spread::Pooled));
    assert_eq!(two.client().await.get("/").await.status, 200);
    two.to(Spread::None).await;
}

#[tokio::test]
async fn whether_a_port_is_free_is_known_before_anything_changes() {
    let two = Two::start().await;
    let own = two.proxy.addresses(&track())[0].port();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = two.proxy.can_listen(&track(), &[own, port]).await.unwrap_err();
    assert_eq!(error.message(), format!("port {port} on 127.0.0.1 is taken by another program"));
    drop(taken);
    two.proxy.can_listen(&track(), &[own, port]).await.unwrap();
    assert_eq!(two.proxy.addresses(&track()).len(), 1, "nothing was opened");
    let api = "shop/production/api@here".parse().unwrap();
    let error = two.proxy.can_listen(&api, &[own]).await.unwrap_err();
    assert_eq!(error.message(), format!("port {own} is that of {}", track()));
}

#[tokio::test]
async fn ports_of_another_workload_and_named_twice_are_refused() {
    let two = Two::start().await;
    let port = two.proxy.addresses(&track())[0].port();
    let mut other = routes(1, Spread::None, &[]);
    other.track = "shop/production/api@here".parse().unwrap();
    other.ports = vec![port];
    let error = two.proxy.apply(&other).await.unwrap_err();
    assert_eq!(error.message(), format!("port {port} is that of shop/production/web@here"));
    other.ports = vec![1, 1];
    assert_eq!(two.proxy.apply(&other).await.unwrap_err().message(), "port 1 is named twice");
}

#[tokio::test]
async fn a_removed_workload_is_not_listened_for_any_more() {
    let two = Two::start().await;
    let address = two.proxy.addresses(&track())[0];
    two.proxy.remove(&track(), Token::new(1, 2)).await.unwrap();
    until("the port is closed", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    assert!(two.proxy.observe(&track()).await.unwrap().members.is_empty());
    two.proxy.remove(&track(), Token::new(1, 2)).await.unwrap();
}

#[tokio::test]
async fn figures_are_kept_by_side() {
    let mut two = Two::start().await;
    let since = Timestamp::now() - jiff::SignedDuration::from_secs(5);
    two.to(split(Split::percent(50))).await;
    let mut client = two.client().await;
    for _ in 0..10 {
        client.get("/").await;
        client.get("/500").await;
    }
    let stable = two.proxy.figures(&track(), &side("v1"), since).await.unwrap().unwrap();
    let candidate = two.proxy.figures(&track(), &side("v2"), since).await.unwrap().unwrap();
    assert_eq!((stable.requests, stable.errors), (10, 0));
    assert_eq!((candidate.requests, candidate.errors), (10, 10));
    assert!(candidate.p50.is_some() && candidate.p99 >= candidate.p50);
    assert_eq!(two.proxy.figures(&track(), &side("v3"), since).await.unwrap(), None);
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(5);
    assert_eq!(two.proxy.figures(&track(), &side("v1"), later).await.unwrap().unwrap().requests, 0);
}
