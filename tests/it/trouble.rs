//! Slack in trouble, in every way it can be, with a webhook and with a bot: the service answers as fast as its healthy twin, what waits is bounded
//! and shown, and the alert arrives once Slack is back.

use std::net::SocketAddr;
use std::time::Duration;

use flamewatch_tests::port::{free, until};
use flamewatch_tests::{FakeSlack, Load, Service};
use serde_json::json;

/// How the Slack of each shop behaves; `gone` is none at all, `ok` the twin that the others are compared with.
const MODES: [&str; 6] = ["ok", "hang", "500", "429", "html", "gone"];

/// The same of a bot, which makes many calls where a webhook makes one.
const MODES_OF_A_BOT: [&str; 4] = ["ok", "hang", "slow_body", "cut"];

/// How a shop tells Slack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Webhook,
    Bot,
}

/// Requests are timed in turns, so that a noisy neighbor slows all shops alike.
const ROUNDS: usize = 3;

const PATIENCE: Duration = Duration::from_secs(45);

/// What a queue may hold: a shop with a sick sink is no larger than that.
const QUEUE_BYTES: u64 = 16 << 20;

struct Shop {
    mode: &'static str,
    way: Way,
    address: SocketAddr,
    slack: Option<FakeSlack>,
    service: Service,
    _leak: Load,
    medians: Vec<f64>,
    slowest: Vec<f64>,
}

impl Shop {
    fn open(mode: &'static str, way: Way) -> Self {
        let address = free();
        let slack = (mode != "gone").then(|| FakeSlack::start_at(address));
        if let Some(slack) = &slack {
            slack.control(&json!({"mode": mode, "retry_after": 1}));
        }
        let (webhook, api) = (FakeSlack::webhook_at(address), format!("http://{address}/api"));
        let of_webhook = [("LEAK", "orders"), ("FLAMEWATCH_SLACK_WEBHOOK", webhook.as_str())];
        let of_bot = [
            ("LEAK", "orders"),
            ("FLAMEWATCH_SLACK_TOKEN", FakeSlack::TOKEN),
            ("FLAMEWATCH_SLACK_CHANNEL", FakeSlack::CHANNEL),
            ("FLAMEWATCH_SLACK_API", api.as_str()),
            ("FLAMEWATCH_SLACK_SPREAD", "0s"),
        ];
        let service = match way {
            Way::Webhook => Service::start("leaky_shop", &of_webhook),
            Way::Bot => Service::start("leaky_shop", &of_bot),
        };
        let leak = Load::start(service.running.address(), 120, 60, "orders=1");
        Self { mode, way, address, slack, service, _leak: leak, medians: Vec::new(), slowest: Vec::new() }
    }

    /// A second of requests that leak nothing.
    fn time(&mut self) {
        let report = Load::start(self.service.running.address(), 1, 100, "cart=1,products=1").report();
        assert_eq!(report["errors"], 0, "{}: {report}", self.mode);
        self.medians.push(report["p50_ms"].as_f64().expect("a median"));
        self.slowest.push(report["p99_ms"].as_f64().expect("a percentile"));
    }

    fn sink(&self) -> String {
        self.service.status("sink: slack").expect("a line about Slack")
    }

    /// An alert is being tried in vain; in the twin, it has arrived.
    fn is_told(&self) -> bool {
        self.sink().starts_with(if self.mode == "ok" { "1 sent, 0 waiting" } else { "0 sent, 1 waiting" })
    }

    fn recovers(&mut self) {
        match &self.slack {
            Some(slack) => slack.control(&json!({"mode": "ok"})),
            None => self.slack = Some(FakeSlack::start_at(self.address)),
        }
    }

    fn accepted(&self) -> usize {
        let count = |slack: &FakeSlack| match self.way {
            Way::Webhook => slack.accepted().len(),
            Way::Bot => slack.channel().len(),
        };
        self.slack.as_ref().map_or(0, count)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[test]
fn the_service_does_not_notice_and_the_alert_arrives_later() {
    check(&MODES, Way::Webhook);
}

#[test]
fn nor_does_it_notice_a_bot_in_trouble() {
    check(&MODES_OF_A_BOT, Way::Bot);
}

fn check(modes: &[&'static str], way: Way) {
    let mut shops: Vec<Shop> = modes.iter().map(|mode| Shop::open(mode, way)).collect();
    until("an alert in every shop", PATIENCE, || shops.iter().all(Shop::is_told).then_some(()));
    for _ in 0..ROUNDS {
        shops.iter_mut().for_each(Shop::time);
    }
    let (twin, sick) = shops.split_first_mut().expect("shops");
    for shop in &mut *sick {
        let ratio = median(&shop.medians) / median(&twin.medians);
        assert!(ratio < 2.0, "{}: {:?} ms, healthy {:?} ms", shop.mode, shop.medians, twin.medians);
        let late = median(&shop.slowest) - median(&twin.slowest);
        assert!(late < 100.0, "{}: {:?} ms, healthy {:?} ms", shop.mode, shop.slowest, twin.slowest);
        let (rss, healthy) = (shop.service.running.rss(), twin.service.running.rss());
        assert!(rss < healthy + QUEUE_BYTES, "{}: {rss} bytes, healthy {healthy}", shop.mode);
        // With what has failed behind it; one that hangs fails at the deadline of the attempt.
        until(shop.mode, PATIENCE, || shop.sink().contains("0 sent, 1 waiting, ").then_some(()));
        assert!(!shop.sink().contains("SECRET"), "{}: {}", shop.mode, shop.sink());
        shop.recovers();
    }
    for shop in &shops {
        until(shop.mode, PATIENCE, || (shop.accepted() == 1).then_some(()));
        until(shop.mode, PATIENCE, || shop.sink().starts_with("1 sent, 0 waiting").then_some(()));
    }
}
