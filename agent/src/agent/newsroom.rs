//! What people are told: every verdict comes here, and what is told of it is written, noted for the next run and sent.

mod lives;
mod notes;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::desk::Desk;
use crate::leak::{Leak, Level, Subject};
use crate::profile::Profile;
use crate::sink::{Alert, Delivery, State};
use crate::watch::telling::{Post, Telling, Told};
use crate::watch::{Rule, Verdict};

use super::bulletin::{self, Stamp};
use super::dispatch;
use super::investigation::{Case, investigate};
use super::leak_alert::{self, About};
use super::leaks::News;
use super::lookout::{Lookout, Reading};
use super::restraint::{self, Care, Restraint};
use lives::Patience;
use notes::Standing;

/// The most alerts under investigation at a time; one beyond that goes out without evidence, and is counted.
const MAX_CASES: usize = 8;

/// How long alerts that are going out when the agent ends have to get to the disk.
const FAREWELL: Duration = Duration::from_millis(300);

/// Who decides what is told, and what that takes.
pub(super) struct Newsroom {
    service: String,
    url: Option<String>,
    cooldown: Duration,
    desk: Arc<Desk>,
    deliveries: Arc<Vec<Delivery>>,
    telling: Telling,
    stamp: Stamp,
    /// The time since 1970 when the agent started: incidents live longer than processes, and so do their times.
    started: Duration,
    patience: Patience,
    rules: Vec<String>,
    /// What the next run was left, and the number of that note.
    noted: Told,
    note: Option<u64>,
    /// What earlier runs have left is known. Before that nothing is noted, lest it be overwritten.
    inherited: bool,
    /// Alerts that are being written or are going out.
    cases: JoinSet<Vec<Gone>>,
    places: Arc<Semaphore>,
    /// Alerts that are being written are given up.
    closing: Arc<Notify>,
    restraint: Restraint,
    /// The share of the CPU time there is that was in use when it was last read.
    cpu_share: Option<f64>,
}

/// What has gone out, and is not lost with the process any more.
pub(super) struct Gone {
    incident: u64,
    number: u32,
}

impl Gone {
    const fn of(post: &Post) -> Self {
        Self { incident: post.incident, number: post.number }
    }
}

impl Newsroom {
    /// One that knows of nothing yet. `rules` are those that are watched.
    pub(super) fn new(
        config: &Config,
        url: Option<String>,
        desk: Arc<Desk>,
        deliveries: Arc<Vec<Delivery>>,
        rules: &[Rule],
    ) -> Self {
        let mut rules: Vec<String> = rules.iter().map(|rule| rule.name().to_owned()).collect();
        if config.leaks {
            let subjects = [Subject::Heap, Subject::Tasks, Subject::Threads, Subject::Descriptors];
            rules.extend(subjects.map(leak_alert::rule_of));
        }
        Self {
            service: config.service.clone(),
            url,
            cooldown: config.cooldown,
            desk,
            deliveries,
            telling: Telling::new(),
            stamp: Stamp::of(&config.service, config.version.as_deref()),
            started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            patience: Patience::of(config),
            rules,
            noted: Told::default(),
            note: None,
            inherited: false,
            cases: JoinSet::new(),
            places: Arc::new(Semaphore::new(MAX_CASES)),
            closing: Arc::default(),
            restraint: Restraint::new(config.cpu_ceiling),
            cpu_share: None,
        }
    }

    /// Has a verdict told, if it is to be: starts its investigation, and its alert goes out when that is done. `before` gives
    /// the profile of a kind as it was a while ago.
    pub(super) fn hear(
        &mut self,
        verdict: Verdict,
        reading: &Reading,
        before: impl FnOnce(&str) -> Option<(Duration, Arc<Profile>)>,
        now: Duration,
    ) {
        let time = self.time(now);
        let case = bulletin::of_rule(verdict.finding());
        let post = match &verdict {
            Verdict::Fired(_) => self.telling.fired(time, &case),
            Verdict::Resolved(_) => self.telling.resolved(time, &case),
        };
        let (Verdict::Fired(finding) | Verdict::Resolved(finding)) = &verdict;
        let since = SystemTime::now().checked_sub(now.saturating_sub(finding.since));
        let bare = format!("{}, at {}", finding.rule, reading.unit.show(finding.value));
        let standing = Standing::of(matches!(verdict, Verdict::Resolved(_)), post.is_some());
        self.note_open(standing, &case, finding.rule.to_string(), bare, since);
        self.take_note();
        let Some(post) = post else { return };
        let ((place, care), mark) = (self.place(now), self.stamp.mark(&post));
        // At once, in case that looking for the cause takes too long, or too much memory.
        tracing::warn!(
            "flamewatch: {} is {}, at {}",
            finding.rule,
            mark.state().as_str(),
            reading.unit.show(finding.value)
        );
        let case = Case {
            mark,
            service: self.service.clone(),
            unit: reading.unit,
            evidence: reading.evidence,
            care,
            url: self.url.clone(),
            identity: self.desk.identity().summary(),
            // What is high was not made high in the last minutes; what grows was.
            before: reading.evidence.filter(|_| finding.growth.is_some()).and_then(before),
            finding: finding.clone(),
            now,
        };
        let desk = self.desk.clone();
        self.send(&post, async move { investigate(case, &desk).await }, place);
    }

    /// Has leaks told that were found at one look, or are over.
    pub(super) fn hear_of_leaks(&mut self, news: &[News], now: Duration) {
        let (time, cooldown) = (self.time(now), self.cooldown);
        let rules: Vec<String> = news.iter().map(|news| leak_alert::rule_of(news.leak.subject)).collect();
        let mut posts = Vec::new();
        for subject in [Subject::Heap, Subject::Tasks, Subject::Threads, Subject::Descriptors] {
            let of_subject = news.iter().zip(&rules).filter(|(news, _)| news.leak.subject == subject);
            let (over, found): (Vec<_>, Vec<_>) =
                of_subject.partition(|(news, _)| news.leak.level == Level::Resolved);
            let found: Vec<_> =
                found.into_iter().map(|(news, rule)| bulletin::of_leak(&news.leak, rule, cooldown)).collect();
            posts.extend(self.telling.fired_together(time, &found));
            let over = over.into_iter().filter_map(|(news, rule)| {
                self.telling.resolved(time, &bulletin::of_leak(&news.leak, rule, cooldown))
            });
            posts.extend(over);
        }
        for (News { leak, .. }, rule) in news.iter().zip(&rules) {
            let case = bulletin::of_leak(leak, rule, cooldown);
            let name = incident(rule, &leak.name);
            let headline = format!("{name}: {}", leak.growth());
            let is_told = posts.iter().any(|post| post.rule == *rule && post.key == leak.name);
            self.note_open(Standing::of(leak.level == Level::Resolved, is_told), &case, name, headline, None);
        }
        self.take_note();
        for post in posts {
            let of_rule = || news.iter().zip(&rules).filter(|(_, rule)| **rule == post.rule);
            let named = |name: &String| of_rule().map(|(news, _)| news).find(|news| news.leak.name == *name);
            if let Some(about) = named(&post.key) {
                let others = post.with.iter().filter_map(named).map(|news| news.leak.clone()).collect();
                self.tell_leak(about.clone(), others, &post, now);
            }
        }
    }

    /// Sends the alert of a leak.
    fn tell_leak(&mut self, news: News, others: Vec<Leak>, post: &Post, now: Duration) {
        let ((place, care), mark) = (self.place(now), self.stamp.mark(post));
        let title = if mark.state() == State::Resolved { "is over" } else { "is found" };
        tracing::warn!("flamewatch: {} {title}: {}", incident(&post.rule, &post.key), news.leak.growth());
        let about = About {
            care,
            mark,
            others,
            service: self.service.clone(),
            url: self.url.clone(),
            identity: self.desk.identity().summary(),
            memory: self.desk.newest_memory(),
        };
        let desk = self.desk.clone();
        self.send(post, async move { leak_alert::write(news, about, &desk).await }, place);
    }

    /// Sends what is to be told although nothing has happened, such as that something is still so.
    pub(super) fn remind(&mut self, lookout: &Lookout, now: Duration) {
        let posts = self.telling.due(self.time(now));
        self.take_note();
        for post in posts {
            let mark = self.stamp.mark(&post);
            let mut alert = mark.alert(&self.service, &post.rule);
            alert.headline = bulletin::headline(&post, lookout, &self.desk.leaks());
            alert.context.insert(0, self.desk.identity().summary());
            if mark.state() == State::Resolved {
                self.desk.store().closed(&incident(&post.rule, &post.key));
            }
            self.send(&post, std::future::ready(alert), None);
        }
    }

    /// The next alerts that have gone out; `None` where none is on its way.
    pub(super) async fn next(&mut self) -> Option<Vec<Gone>> {
        self.cases.join_next().await.map(Result::unwrap_or_default)
    }

    /// They are not lost with the process any more.
    pub(super) fn conclude(&mut self, gone: &[Gone]) {
        gone.iter().for_each(|gone| self.telling.arrived(gone.incident, gone.number));
        self.take_note();
    }

    /// From now on nothing is told. What is being written is given up: what breaks while a service shuts down is no news. What
    /// is going out gets to the disk.
    pub(super) async fn close(&mut self) {
        self.telling.close();
        self.closing.notify_waiters();
        let gone = async {
            while let Some(gone) = self.next().await {
                self.conclude(&gone);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, gone).await;
        self.cases.abort_all();
    }

    /// Who decides, for pages.
    pub(super) const fn telling(&self) -> &Telling {
        &self.telling
    }

    /// How often an alert has spared the service.
    pub(super) const fn spared(&self) -> restraint::Counts {
        self.restraint.counts()
    }

    /// The share of the CPU time there is that is in use.
    pub(super) const fn notice_cpu(&mut self, share: Option<f64>) {
        self.cpu_share = share;
    }

    /// A place among the investigations, if one is free, and how much this one may cost.
    fn place(&mut self, now: Duration) -> (Option<OwnedSemaphorePermit>, Care) {
        let place = self.places.clone().try_acquire_owned().ok();
        let room = self.desk.newest_memory().and_then(|account| Some(account.memory.level?.room));
        let care = self.restraint.care(now, place.is_some(), room, self.cpu_share);
        (place, care)
    }

    /// Sends the alert of `post` to everybody when it is written, unless the agent stops before.
    fn send(
        &mut self,
        post: &Post,
        alert: impl Future<Output = Alert> + Send + 'static,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let (desk, deliveries) = (self.desk.clone(), self.deliveries.clone());
        let (note, closing) = (self.note, self.closing.clone());
        let gone = Gone::of(post);
        self.cases.spawn(async move {
            let alert = tokio::select! {
                alert = alert => alert,
                () = closing.notified() => return Vec::new(),
            };
            dispatch::dispatch(alert, note, &desk, &deliveries).await;
            drop(place);
            vec![gone]
        });
    }

    /// The time since 1970 at `now`, which counts from the start.
    fn time(&self, now: Duration) -> Duration {
        self.started.saturating_add(now)
    }
}

/// What is open or closed, for the next run: the rule, and the place of a leak.
fn incident(rule: &str, key: &str) -> String {
    if key.is_empty() { rule.to_owned() } else { format!("{rule} in {key}") }
}
