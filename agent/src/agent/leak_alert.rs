//! The alert that tells of a leak: the verdict, its reasons, its parts, and the profile that shows it.

use super::bulletin::Mark;
use super::investigation;
use super::leaks::News;
use super::memory;
use super::restraint::Care;
use crate::desk::Desk;
use crate::leak::{Leak, Subject};
use crate::sink::{Alert, Site, State};
use crate::watch::memory::Account;

/// How many parts of a leak an alert names.
const PARTS: usize = 3;

/// How many leaks that were found at the same time it lists.
const OTHERS: usize = 5;

/// What is known besides the leak itself.
pub(super) struct About {
    pub(super) mark: Mark,
    /// Others of its kind that were found at the same time.
    pub(super) others: Vec<Leak>,
    pub(super) service: String,
    /// How people reach the debug port.
    pub(super) url: Option<String>,
    /// Who we are, for the small print.
    pub(super) identity: String,
    /// How much a profile may cost.
    pub(super) care: Care,
    /// The memory as it was last read.
    pub(super) memory: Option<Account>,
}

/// Writes the alert of `news`. Without a profile it goes out all the same.
pub(super) async fn write(news: News, about: About, desk: &Desk) -> Alert {
    let News { leak, share } = news;
    let mut alert = about.mark.alert(&about.service, &rule_of(leak.subject));
    alert.headline = format!("{} leak in {}: {}", leak.subject.as_str(), leak.title(), leak.growth());
    alert.context.insert(0, about.identity);
    if alert.state == State::Resolved {
        return alert;
    }
    alert.details = leak.reasons();
    alert.details.extend(list(&about.others));
    if leak.subject == Subject::Heap {
        memory::tell(&mut alert, None, about.memory);
    }
    alert.sites = sites(&leak, share);
    let Some(kind) = evidence(leak.subject) else { return alert };
    let (id, url) = (&about.mark.snapshot, about.url.as_deref());
    if about.care != Care::Full {
        investigation::spare(&mut alert, &about.care, kind, id, url, desk).await;
        return alert;
    }
    match desk.collect(kind, crate::source::Window::now()).await {
        Ok(profile) => investigation::keep(&mut alert, profile, kind, id, url, desk).await,
        Err(error) => alert.details.push(format!("No {kind} profile: {error:#}.")),
    }
    alert
}

/// The leaks beside the one that the alert is about, a line each.
fn list(others: &[Leak]) -> impl Iterator<Item = String> {
    let line = |leak: &Leak| format!("Found with it: {}: {}.", leak.title(), leak.growth());
    let more = others.len().saturating_sub(OTHERS);
    let more = (more > 0).then(|| format!("And {more} more, see /debug/leaks."));
    others.iter().take(OTHERS).map(line).chain(more)
}

/// What the rule is called, such as `heap leak`.
pub(super) fn rule_of(subject: Subject) -> String {
    format!("{} leak", subject.as_str())
}

/// The profile that shows where leaks of `subject` are.
const fn evidence(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Heap => Some("heap"),
        Subject::Tasks => Some("goroutine"),
        Subject::Threads => Some("threadcreate"),
        Subject::Descriptors => None,
    }
}

fn sites(leak: &Leak, share: f64) -> Vec<Site> {
    let (leaked, error) = leak.leaked;
    let site = |name: &str, place: &Option<String>, amount: f64| {
        Site::new(name, place.clone(), format!("+{}", leak.subject.unit().show(amount)))
    };
    let mut whole = site(&leak.name, &leak.place, leaked);
    (whole.share, whole.share_of) = (share, "all that leaks");
    whole.relative_error = error / leaked.max(1.0);
    let parts = leak.parts.iter().take(PARTS - 1).map(|part| {
        let mut site = site(&part.name, &part.place, part.leaked);
        (site.share, site.share_of) = (part.leaked / leaked.max(1.0), "this leak");
        site
    });
    std::iter::once(whole).chain(parts).collect()
}
