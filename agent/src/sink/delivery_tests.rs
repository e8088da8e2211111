//! A scripted sink behind a real thread. Nothing here sleeps to synchronize: the sink reports what it does.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::sink::State as AlertState;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the sink does with one attempt.
enum Act {
    Answer(Outcome),
    Panic,
    Hang(Receiver<()>),
}

struct Scripted {
    acts: Receiver<Act>,
    seen: Sender<String>,
}

impl Sink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn deliver(&mut self, alert: &Alert, _deadline: Instant) -> Outcome {
        let _ = self.seen.send(alert.id.clone());
        match self.acts.recv() {
            Ok(Act::Answer(outcome)) => outcome,
            Ok(Act::Panic) => panic!("as scripted"),
            Ok(Act::Hang(released)) => {
                let _ = released.recv();
                Outcome::Sent
            }
            Err(_) => Outcome::Sent,
        }
    }
}

struct Stage {
    delivery: Delivery,
    acts: Sender<Act>,
    seen: Receiver<String>,
}

fn stage(options: Options) -> Stage {
    let (acts, script) = channel();
    let (report, seen) = channel();
    let sink = Scripted { acts: script, seen: report };
    Stage { delivery: Delivery::start(Box::new(sink), options).expect("a thread"), acts, seen }
}

fn quick() -> Options {
    Options {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        ..Options::default()
    }
}

impl Stage {
    fn send(&self, id: &str) {
        self.delivery.send(Arc::new(Alert::new(id, AlertState::Firing, "shop", "heap growing")));
    }

    fn act(&self, act: Act) {
        self.acts.send(act).expect("a sink");
    }

    fn retry(&self, reason: &str, after: Option<Duration>) {
        self.act(Act::Answer(Outcome::Retry { after, reason: reason.into() }));
    }

    fn next(&self) -> String {
        self.seen.recv_timeout(PATIENCE).expect("an attempt")
    }

    /// Waits until `ready`, and gives the status that was.
    #[track_caller]
    fn until(&self, ready: impl Fn(&Status) -> bool) -> Status {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.delivery.status();
            if ready(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{status:?}");
            thread::yield_now();
        }
    }
}

#[test]
fn arrives_when_the_sink_is_back() {
    let stage = stage(quick());
    stage.send("first");
    stage.send("second");
    for reason in ["500", "HTML", "connection refused"] {
        assert_eq!(stage.next(), "first");
        stage.retry(reason, None);
    }
    assert_eq!(stage.next(), "first");
    let status = stage.delivery.status();
    assert_eq!(
        (status.retried, status.waiting, status.last_error.as_deref()),
        (3, 2, Some("connection refused"))
    );
    stage.act(Act::Answer(Outcome::Sent));
    assert_eq!(stage.next(), "second");
    stage.act(Act::Answer(Outcome::Sent));
    let status = stage.until(|status| status.sent == 2);
    assert_eq!((status.waiting, status.dropped, status.last_error), (0, 0, None));
}

#[test]
fn a_sink_is_down_from_its_first_failure_to_its_next_success() {
    let stage = stage(quick());
    let status = stage.delivery.status();
    assert_eq!((status.last_sent, status.down_since), (None, None));
    stage.send("first");
    assert_eq!(stage.next(), "first");
    stage.retry("500", None);
    assert_eq!(stage.next(), "first");
    let began = stage.delivery.status().down_since;
    assert!(began.is_some());
    stage.act(Act::Answer(Outcome::Drop { reason: "404".into() }));
    let status = stage.until(|status| status.dropped == 1);
    assert_eq!((status.last_sent, status.down_since), (None, began));
    stage.send("second");
    assert_eq!(stage.next(), "second");
    stage.act(Act::Answer(Outcome::Sent));
    let status = stage.until(|status| status.sent == 1);
    assert!(status.last_sent >= began && status.down_since.is_none(), "{status:?}");
}

#[test]
fn a_refusal_is_counted_and_the_next_goes_on() {
    let stage = stage(quick());
    stage.send("refused");
    stage.send("next");
    assert_eq!(stage.next(), "refused");
    stage.act(Act::Answer(Outcome::Drop { reason: "404".into() }));
    assert_eq!(stage.next(), "next");
    let status = stage.delivery.status();
    assert_eq!((status.dropped, status.last_error.as_deref()), (1, Some("404")));
}

#[test]
fn a_panic_keeps_the_sink_and_ends_by_dropping_the_alert() {
    let stage = stage(quick());
    stage.send("poison");
    stage.send("next");
    for _ in 0..MAX_PANICS {
        assert_eq!(stage.next(), "poison");
        stage.act(Act::Panic);
    }
    assert_eq!(stage.next(), "next");
    stage.act(Act::Answer(Outcome::Sent));
    let status = stage.until(|status| status.sent == 1);
    assert_eq!((status.retried, status.dropped), (u64::from(MAX_PANICS) - 1, 1));
}

#[test]
fn a_hanging_sink_grows_nothing_and_is_told() {
    let stage = stage(Options { attempt: Duration::from_millis(1), ..quick() });
    let (release, released) = channel();
    stage.send("hangs");
    assert_eq!(stage.next(), "hangs");
    stage.act(Act::Hang(released));
    (0..1_000).for_each(|id| stage.send(&id.to_string()));
    let status = stage.until(|status| status.last_error.is_some());
    assert_eq!((status.waiting, status.dropped), (64, 937));
    assert!(status.down_since.is_some());
    assert!(status.last_error.expect("told").contains("has not come back"));
    release.send(()).expect("a sink");
    assert_eq!(stage.next(), "936", "the oldest of the newest 64");
}

#[test]
fn what_the_other_side_asks_for_is_honored() {
    let stage = stage(quick());
    let asked = Duration::from_millis(300);
    stage.send("limited");
    assert_eq!(stage.next(), "limited");
    let began = Instant::now();
    stage.retry("429", Some(asked));
    assert_eq!(stage.next(), "limited");
    assert!(began.elapsed() >= asked, "{:?}", began.elapsed());
}

#[test]
fn stops_promptly_during_a_wait() {
    let mut stage = stage(Options { first_wait: Duration::from_secs(300), ..Options::default() });
    stage.send("waits");
    assert_eq!(stage.next(), "waits");
    stage.retry("500", None);
    stage.until(|status| status.retried == 1);
    let began = Instant::now();
    stage.delivery.stop();
    assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
    assert_eq!(stage.delivery.status().waiting, 1);
}

#[test]
fn stops_although_the_sink_hangs() {
    let mut stage = stage(quick());
    let (_release, released) = channel();
    stage.send("hangs");
    assert_eq!(stage.next(), "hangs");
    stage.act(Act::Hang(released));
    let began = Instant::now();
    stage.delivery.stop();
    assert!(began.elapsed() < GRACE * 3, "{:?}", began.elapsed());
}

#[test]
fn the_thread_has_its_name_and_its_hook() {
    use std::sync::OnceLock;
    static NAME: OnceLock<String> = OnceLock::new();
    fn hook() {
        let _ = NAME.set(thread::current().name().unwrap_or_default().to_owned());
    }
    let stage = stage(Options { on_thread_start: Some(hook), ..quick() });
    stage.send("any");
    assert_eq!(stage.next(), "any");
    assert_eq!(NAME.get().map(String::as_str), Some("flamewatch-scripted"));
}
