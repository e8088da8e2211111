//! Alerts as lines in the service's own log, through `tracing`. The sink that always works.

use std::time::Instant;

use crate::sink::{Alert, Kind, Outcome, Sink, Site, State};

/// Logs alerts under the target `flamewatch`: a warning when one fires, an information when it is over, and one
/// line more for each suspect.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Log;

impl Log {
    /// A sink that logs.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Sink for Log {
    fn name(&self) -> &str {
        "log"
    }

    fn deliver(&mut self, alert: &Alert, _deadline: Instant) -> Outcome {
        let is_wrong = alert.state == State::Firing && alert.kind != Kind::Asked;
        if is_wrong {
            tracing::warn!(target: "flamewatch", alert = one_line(&alert.id), "{}", verdict(alert));
        } else {
            tracing::info!(target: "flamewatch", alert = one_line(&alert.id), "{}", verdict(alert));
        }
        for (site, number) in alert.sites.iter().zip(1..) {
            let line = suspect(number, site);
            if is_wrong {
                tracing::warn!(target: "flamewatch", alert = one_line(&alert.id), "{line}");
            } else {
                tracing::info!(target: "flamewatch", alert = one_line(&alert.id), "{line}");
            }
        }
        Outcome::Sent
    }
}

/// `firing: heap growing: heap grows by 41 MiB a minute; details; look at http://…`
fn verdict(alert: &Alert) -> String {
    let mut text = format!("{}: {}", alert.standing(), alert.rule);
    if let Some(left) = &alert.time_left {
        text = text + ": " + left;
    }
    if !alert.headline.is_empty() {
        text = text + ": " + &alert.headline;
    }
    for detail in &alert.details {
        text = text + "; " + detail;
    }
    if let Some(url) = &alert.snapshot_url {
        text = text + "; look at " + url;
    }
    one_line(&text)
}

fn suspect(number: usize, site: &Site) -> String {
    let mut text = format!("  {number}. {} {}", site.growth, site.function);
    if let Some(place) = &site.place {
        text = text + " at " + place;
    }
    if site.relative_error > 0.0 {
        text += &format!(", ± {:.0} %", site.relative_error * 100.0);
    }
    if site.share > 0.0 {
        text += &format!(", {:.0} % of {}", site.share * 100.0, site.share_of);
    }
    one_line(&text)
}

/// Without control characters: a route with a line break in it must not forge a line of the log.
fn one_line(text: &str) -> String {
    text.replace(|character: char| character.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use crate::sink::Kind;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "flamewatch"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().expect("lines").push((*event.metadata().level(), message.0));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    fn logged(alert: &Alert) -> Vec<(Level, String)> {
        let lines = Lines::default();
        let outcome =
            tracing::subscriber::with_default(lines.clone(), || Log::new().deliver(alert, Instant::now()));
        assert_eq!(outcome, Outcome::Sent);
        lines.0.lock().expect("lines").clone()
    }

    #[test]
    fn one_line_and_one_per_site() {
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap growing");
        alert.headline = "+41 MiB a minute\nERROR forged".into();
        alert.time_left = Some("OOM in ~26 min".into());
        alert.details = vec!["load is level".into()];
        alert.snapshot_url = Some("http://127.0.0.1:6060/debug/snapshots/7".into());
        let place = Some(String::from("orders.rs:31"));
        let site =
            Site { relative_error: 0.04, share: 0.93, ..Site::new("orders::remember", place, "+1.1 GiB") };
        alert.sites = vec![site, Site::new("other", None, "+2 B")];
        let expected = [
            "firing: heap growing: OOM in ~26 min: +41 MiB a minute ERROR forged; load is level; \
             look at http://127.0.0.1:6060/debug/snapshots/7",
            "  1. +1.1 GiB orders::remember at orders.rs:31, ± 4 %, 93 % of the growth",
            "  2. +2 B other",
        ];
        assert_eq!(logged(&alert), expected.map(|line| (Level::WARN, String::from(line))));
    }

    #[test]
    fn a_message_says_what_it_is_to_those_before_it() {
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap growing");
        alert.kind = Kind::Reminder;
        assert_eq!(logged(&alert), [(Level::WARN, String::from("still firing: heap growing"))]);
        alert.kind = Kind::Reply;
        assert_eq!(logged(&alert), [(Level::WARN, String::from("firing, update: heap growing"))]);
    }

    #[test]
    fn what_is_over_is_no_warning() {
        let alert = Alert::new("a1", State::Resolved, "shop", "heap growing");
        assert_eq!(logged(&alert), [(Level::INFO, String::from("resolved: heap growing"))]);
    }
}
