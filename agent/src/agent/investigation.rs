//! What happens when a rule fires: collect the profile that explains its gauge, subtract the baseline, name what is
//! left, rank the places, and write the alert.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::desk::{Desk, on_quiet_thread};
use crate::moment::spoken;
use crate::profile::Profile;
use crate::render::{Format, Options, Size};
use crate::sink::{Alert, Attachment, Site, State};
use crate::source::Window;
use crate::store::Snapshot;
use crate::suspect::Growth;
use crate::watch::Finding;
use crate::{Error, Unit};

use super::bulletin::Mark;
use super::memory;
use super::restraint::Care;

/// How many places an alert names.
pub(super) const SITES: usize = 3;

/// How long a CPU profile for an alert takes.
const WINDOW: Duration = Duration::from_secs(5);

/// What is known when a rule fires, besides what its evidence will show.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) mark: Mark,
    pub(super) service: String,
    pub(super) finding: Finding,
    pub(super) unit: Unit,
    pub(super) evidence: Option<&'static str>,
    /// How much that may cost.
    pub(super) care: Care,
    /// How people reach the debug port.
    pub(super) url: Option<String>,
    /// Who we are, for the small print.
    pub(super) identity: String,
    pub(super) now: Duration,
    /// The profile that `evidence` names as it was a while ago, and when that was.
    pub(super) before: Option<(Duration, Arc<Profile>)>,
}

/// The evidence of a case: what grew, and how long ago it was compared with.
struct Evidence {
    profile: Profile,
    /// The age of the baseline; `None` when there is none and the profile shows all that is there.
    since: Option<Duration>,
}

/// Writes the alert of `case`. Evidence that cannot be had is said so in the alert; the alert goes out all the same.
pub(super) async fn investigate(case: Case, desk: &Desk) -> Alert {
    let mut alert = case.mark.alert(&case.service, &case.finding.rule);
    alert.headline = headline(&case);
    if alert.state == State::Firing && case.evidence == Some("heap") {
        // First of all: whether it is the heap at all, and how long there is to look for it.
        let growth = case.finding.growth.filter(|_| case.unit == Unit::Bytes);
        memory::tell(&mut alert, growth, desk.memory().await.ok());
    }
    alert.context.insert(0, case.identity.clone());
    if alert.state == State::Resolved {
        return alert;
    }
    let Some(kind) = case.evidence else { return alert };
    if case.care != Care::Full {
        spare(&mut alert, &case.care, kind, &case.mark.snapshot, case.url.as_deref(), desk).await;
        return alert;
    }
    match evidence(&case, desk, kind).await {
        Ok(evidence) => attach(&mut alert, &case, desk, kind, evidence).await,
        Err(error) => alert.details.push(format!("No {} profile: {error:#}.", in_words(kind))),
    }
    alert
}

async fn evidence(case: &Case, desk: &Desk, kind: &'static str) -> Result<Evidence, Error> {
    // A profile over a window shows what happens now; there is nothing earlier to subtract.
    if desk.is_windowed(kind)? {
        return Ok(Evidence { profile: desk.collect(kind, Window::of(WINDOW)).await?, since: None });
    }
    let after = desk.collect_unnamed(kind).await?;
    let (raw, since) = match &case.before {
        Some((at, before)) => (after.since(before), Some(case.now.saturating_sub(*at))),
        None => (after, None),
    };
    Ok(Evidence { profile: desk.name(raw).await?, since })
}

async fn attach(alert: &mut Alert, case: &Case, desk: &Desk, kind: &str, evidence: Evidence) {
    let Evidence { profile, since } = evidence;
    let growth = Growth::of(&profile);
    alert.sites = growth.sites(&profile, since.is_some(), SITES);
    alert.details.extend(account(alert, &profile, &growth, since));
    keep(alert, profile, kind, &case.mark.snapshot, case.url.as_deref(), desk).await;
}

/// Does what `care` leaves of looking for the cause: keeps the profile `kind` as it is collected, or does not look at all, and
/// says so.
pub(super) async fn spare(
    alert: &mut Alert,
    care: &Care,
    kind: &'static str,
    id: &str,
    url: Option<&str>,
    desk: &Desk,
) {
    let words = in_words(kind);
    let why = match care {
        Care::Full => return,
        Care::Bare(why) => return alert.details.push(format!("No {words} profile: {why}.")),
        Care::Raw(why) => why,
    };
    // A window costs more than a look: of what happens now only what is counted anyway is kept.
    if desk.is_windowed(kind).unwrap_or(true) {
        return alert.details.push(format!("No {words} profile: {why}."));
    }
    let collected = desk.collect_raw_to_keep(kind).await;
    match collected.and_then(|profile| pprof(&triggered(profile, &alert.headline))) {
        Ok(pprof) => {
            alert.details.push(format!(
                "The {words} profile is kept without names, because {why}; opening it names it."
            ));
            keep_snapshot(alert, kind, id, pprof, false, desk);
            alert.snapshot_url = url.map(|url| format!("{url}/debug/snapshots/{id}?format=svg"));
        }
        Err(error) => alert.details.push(format!("No {words} profile: {error:#}.")),
    }
}

/// `profile` with what led to it among its remarks, in one line.
pub(super) fn triggered(mut profile: Profile, trigger: &str) -> Profile {
    let trigger = trigger.replace(char::is_control, " ");
    profile.comments.push(format!("trigger: {trigger}"));
    profile
}

/// The bytes that a snapshot keeps of `profile`.
pub(super) fn pprof(profile: &Profile) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    Format::Pprof.render(profile, &Options::default(), &mut bytes)?;
    Ok(bytes)
}

/// Draws `profile`, which explains `alert`, keeps it as a snapshot and sends it along.
pub(super) async fn keep(
    alert: &mut Alert,
    profile: Profile,
    kind: &str,
    id: &str,
    url: Option<&str>,
    desk: &Desk,
) {
    alert.context.push(profile.losses.summary());
    let title = alert.headline.clone();
    let profile = triggered(profile, &title);
    let files = on_quiet_thread(move || files(&profile, &title)).await.unwrap_or_default();
    if let Some(pprof) = files.iter().find(|file| file.name.ends_with(".pb.gz")) {
        keep_snapshot(alert, kind, id, pprof.bytes.clone(), true, desk);
        alert.snapshot_url = url.map(|url| format!("{url}/debug/snapshots/{id}?format=svg"));
    }
    alert.attachments = files.into_iter().map(Arc::new).collect();
}

fn keep_snapshot(alert: &Alert, kind: &str, id: &str, pprof: Vec<u8>, named: bool, desk: &Desk) {
    desk.keep(Snapshot {
        id: id.to_owned(),
        taken: SystemTime::now(),
        trigger: alert.headline.clone(),
        rule: alert.rule.clone(),
        says: alert.details.iter().cloned().chain(alert.sites.iter().map(in_one_line)).collect(),
        kind: kind.to_owned(),
        pprof,
        named,
    });
}

/// The profile in the forms that explain an alert without a debug port.
fn files(profile: &Profile, title: &str) -> Vec<Attachment> {
    // A picture goes where people only glance at it.
    let options = Options { title: Some(title.to_owned()), size: Size::Preview, ..Options::default() };
    let names = [(Format::Pprof, "pb.gz"), (Format::Svg, "svg"), (Format::Png, "png"), (Format::Text, "txt")];
    names
        .into_iter()
        .filter_map(|(format, ending)| {
            let mut bytes = Vec::new();
            // A build without flame graphs has no drawings; the other files say as much.
            format.render(profile, &options, &mut bytes).ok()?;
            Some(Attachment::new(format!("{}.{ending}", profile.kind()), bytes))
        })
        .collect()
}

/// What the rule saw, in one line.
fn headline(case: &Case) -> String {
    let Finding { gauge, value, .. } = &case.finding;
    let show = |number: f64| case.unit.show(number);
    let lasted = spoken(case.finding.lasted());
    if case.mark.state() == State::Resolved {
        return format!("{gauge}: well again after {lasted}, now {}", show(*value));
    }
    match case.finding.growth {
        Some(growth) => {
            let error = growth.standard_error;
            let error = if error > 0.0 { format!(" (± {})", show(error)) } else { String::new() };
            let rate = show(growth.per_minute);
            format!("{gauge}: {rate} more every minute{error} for {lasted}, now {}", show(*value))
        }
        None => {
            // Of a fault at once, and of one where any is too many, there is nothing to add.
            let limit = case.finding.limit.filter(|limit| *limit > 0.0);
            let limit = limit.map(|limit| format!(", above {}", show(limit))).unwrap_or_default();
            let lasted = Some(lasted).filter(|_| case.finding.lasted() >= Duration::from_secs(1));
            let lasted = lasted.map(|lasted| format!(" for {lasted}")).unwrap_or_default();
            format!("{gauge}: {}{limit}{lasted}", show(*value))
        }
    }
}

/// What the evidence explains: how much grew since when, or is there in all, and how much of it the places named take.
fn account(alert: &Alert, profile: &Profile, growth: &Growth, since: Option<Duration>) -> Option<String> {
    let unit = profile.values().get(profile.default_value)?.unit();
    let show = |value: i64| unit.show(value as f64);
    let kind = in_words(profile.kind());
    let Some(worst) = alert.sites.first() else {
        let when = since.map(|since| format!(" grown since {} ago", spoken(since))).unwrap_or_default();
        return Some(format!("The {kind} profile shows nothing{when}: the cause is not there."));
    };
    let (gross, net) = (growth.total, profile.total(profile.default_value));
    let shown = match since {
        // Below a tenth the difference is noise, and one number reads better than two.
        Some(since) if net >= gross - gross / 10 => {
            format!("{} more than {} ago", show(gross), spoken(since))
        }
        Some(since) => {
            let (less, ago) = (show(gross - net), spoken(since));
            format!("places that hold {} more than {ago} ago, and others that hold {less} less", show(gross))
        }
        None => format!("{} in all", show(gross)),
    };
    let noise = if worst.relative_error > 0.5 { " Few samples: take it as a hint." } else { "" };
    Some(format!("The {kind} profile shows {shown}; {:.0} % of it below.{noise}", covered(alert) * 100.0))
}

/// A suspect in one line: `+1.1 GiB leaky_shop::orders::remember at leaky_shop/orders.rs:88`.
fn in_one_line(site: &Site) -> String {
    let place = site.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    format!("{} {}{place}", site.growth, site.function)
}

/// A kind as people say it; the names themselves are what Go's clients ask for.
fn in_words(kind: &str) -> &str {
    match kind {
        "goroutine" => "task",
        "lasting" => "lasting task",
        "threadcreate" => "thread",
        "profile" => "CPU",
        "workers" => "blocked worker",
        other => other,
    }
}

fn covered(alert: &Alert) -> f64 {
    alert.sites.iter().map(|site| site.share).sum()
}
