//! The leak watch of the loop: what a look at everything that lives has found gets its names, becomes the report, and some
//! of it becomes news. Looking runs with the gauges, naming beside the loop.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::plateaus::Known;
use crate::desk::Desk;
use crate::leak::{Followed, Found, Leak, Ledger, Level, Name, Named, Report, Subject, group};
use crate::profile::{Frame, Profile, ValueType};
use crate::{Error, Unit};

/// No more findings are named and shown: the surest and fastest.
const MAX_FOUND: usize = 256;

/// No more of what stands without leaking is named at a time, the largest.
const MAX_STABLE: usize = 64;

/// How many looks there are for one at which what stands is remembered.
const REMEMBERED: u32 = 30;

/// Of those that are told early, with low confidence, no more at a time: the fastest.
const MAX_EARLY: usize = 3;

/// And none with a smaller share of how fast all of them grow.
const EARLY_SHARE: f64 = 0.1;

/// The label that tells the stacks of a profile apart while they are named.
const MARK: &str = "leak";

/// Looks at everything when it is time.
pub(super) struct Looker {
    ledger: Ledger,
    looks: u32,
}

/// What a look has found, not named yet.
#[derive(Debug)]
pub(super) struct Looked {
    found: Vec<Found>,
    /// What stands and does not leak, when it is time to remember that.
    stable: Vec<(f64, Vec<Frame>)>,
    followed: Vec<Followed>,
    now: Duration,
}

/// A look with the names that were missing.
pub(super) struct Concluded {
    looked: Looked,
    names: Result<Vec<Option<Name>>, Error>,
}

/// A leak that people are to be told of, for the first time or for the last.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) leak: Leak,
    /// Its share of all that leaks of its kind.
    pub(super) share: f64,
}

/// What the loop keeps of leaks.
pub(super) struct Leaks {
    timescale: f64,
    names: HashMap<(Subject, u64), Name>,
    naming: JoinSet<Concluded>,
    /// Those that were told and are not over.
    told: Vec<Leak>,
    known: Known,
}

impl Looker {
    pub(super) const fn new(ledger: Ledger) -> Self {
        Self { ledger, looks: 0 }
    }

    /// What there is to find at `now`; `None` when it is not time yet. `limit_in` is the time until memory ends.
    pub(super) fn look(&mut self, now: Duration, limit_in: Option<Duration>) -> Option<Looked> {
        if !self.ledger.is_due(now) {
            return None;
        }
        self.ledger.look(now, limit_in);
        self.looks += 1;
        let mut found = self.ledger.found();
        found.sort_by(by_weight);
        found.truncate(MAX_FOUND);
        let remember = self.looks.is_multiple_of(REMEMBERED);
        let stable = if remember { self.ledger.stable(MAX_STABLE) } else { Vec::new() };
        Some(Looked { found, stable, followed: self.ledger.followed(), now })
    }
}

impl Leaks {
    /// Knows what `known` remembers of earlier runs.
    pub(super) fn new(timescale: f64, known: Known) -> Self {
        Self { timescale, names: HashMap::new(), naming: JoinSet::new(), told: Vec::new(), known }
    }

    /// Has named what has no name yet. A look that comes while another is being named is passed over: the next one
    /// finds the same.
    pub(super) fn take(&mut self, looked: Looked, desk: &Arc<Desk>) {
        if !self.naming.is_empty() {
            return;
        }
        let unknown = looked.found.iter().filter(|found| !self.names.contains_key(&key(found)));
        let heap = looked.stable.iter().map(|(_, frames)| (Subject::Heap, frames.clone()));
        let stacks: Vec<(Subject, Vec<Frame>)> =
            unknown.map(|found| (found.subject, found.frames.clone())).chain(heap).collect();
        let desk = desk.clone();
        self.naming.spawn(async move { Concluded { looked, names: names(stacks, &desk).await } });
    }

    /// A look that has been named; waits as long as there is none.
    pub(super) async fn next(&mut self) -> Option<Concluded> {
        self.naming.join_next().await.and_then(Result::ok)
    }

    /// Makes the report of a look, and says what is new in it.
    pub(super) fn conclude(&mut self, concluded: Concluded, desk: &Desk) -> Vec<News> {
        let Concluded { looked, names } = concluded;
        let Looked { found, stable, followed, now } = looked;
        let mut remarks = Vec::new();
        match names {
            Ok(names) => self.learn(&found, &stable, names),
            Err(error) => remarks.push(format!("new leaks have no names: {error:#}")),
        }
        let named: Vec<Named> = found.into_iter().filter_map(|found| self.named(found)).collect();
        // Of what is found no more, for instance because its stack made room, no name is needed.
        self.names.retain(|key, _| named.iter().any(|one| (one.subject, one.finding.key) == *key));
        let mut leaks = group(&named);
        leaks.iter_mut().for_each(|leak| leak.plateau = self.plateau(leak));
        let news = self.news(&leaks);
        remarks.extend(self.known.remark());
        let (timescale, memory) = (self.timescale, outlook(desk));
        desk.set_leaks(Report { leaks, followed, looked: Some(now), timescale, memory, remarks });
        news
    }

    fn learn(&mut self, found: &[Found], stable: &[(f64, Vec<Frame>)], names: Vec<Option<Name>>) {
        let mut names = names.into_iter();
        for found in found {
            if !self.names.contains_key(&key(found))
                && let Some(Some(name)) = names.next()
            {
                self.names.insert(key(found), name);
            }
        }
        let stable =
            stable.iter().zip(names).filter_map(|((amount, _), name)| Some((name?.fingerprint(), *amount)));
        self.known.remember(stable);
    }

    fn named(&self, found: Found) -> Option<Named> {
        let name = self.names.get(&key(&found))?.clone();
        Some(Named { subject: found.subject, finding: found.finding, name })
    }

    /// What all of `leak` is known to reach without leaking, while it is below that.
    fn plateau(&self, leak: &Leak) -> Option<f64> {
        let of_key = |key: &u64| {
            let name = self.names.get(&(leak.subject, *key))?;
            Some(self.known.quiet_below(name.fingerprint())).filter(|amount| *amount > 0.0)
        };
        let known: f64 = leak.keys.iter().map(of_key).sum::<Option<f64>>()?;
        (leak.standing < known).then_some(known)
    }

    /// Who has to be told for the first time, and what was told and is over.
    fn news(&mut self, leaks: &[Leak]) -> Vec<News> {
        let tells = |leak: &&Leak| {
            leak.plateau.is_none() && (leak.level == Level::Confirmed || is_pressing(leak, leaks))
        };
        let sum = |subject| {
            leaks
                .iter()
                .filter(tells)
                .filter(|leak| leak.subject == subject)
                .map(|leak| leak.leaked.0)
                .sum::<f64>()
        };
        let mut news = Vec::new();
        for leak in leaks.iter().filter(tells) {
            if !self.told.iter().any(|told| told.is(leak)) {
                self.told.push(leak.clone());
                news.push(News { leak: leak.clone(), share: leak.leaked.0 / sum(leak.subject).max(1.0) });
            }
        }
        let over = |told: &Leak| {
            leaks.iter().find(|leak| leak.is(told)).filter(|leak| leak.level == Level::Resolved)
        };
        let ended: Vec<Leak> = self.told.iter().filter_map(|told| over(told).cloned()).collect();
        self.told.retain(|told| over(told).is_none());
        news.extend(ended.into_iter().map(|leak| News { leak, share: 0.0 }));
        news
    }
}

/// Whether `leak`, of which little is known yet, is one of the few that memory ends by. Everything that grows is suspected
/// then, and a dozen messages would hide the one that matters.
fn is_pressing(leak: &Leak, leaks: &[Leak]) -> bool {
    let early = |other: &&Leak| {
        other.low_confidence && other.level == Level::Suspect && other.subject == leak.subject
    };
    let all: f64 = leaks.iter().filter(early).map(|other| other.rate.1).sum();
    let faster = leaks.iter().filter(early).filter(|other| other.rate.1 > leak.rate.1).count();
    early(&leak) && faster < MAX_EARLY && leak.rate.1 >= EARLY_SHARE * all
}

/// What grows in the memory as a whole, and when it ends.
fn outlook(desk: &Desk) -> Vec<String> {
    let Some(account) = desk.newest_memory() else { return Vec::new() };
    let left = account.time_left.map(|left| format!("OOM in {}", left.sentence()));
    std::iter::once(account.verdict.sentence).chain(left).collect()
}

/// The names of stacks, in their order; `None` for what has none.
async fn names(stacks: Vec<(Subject, Vec<Frame>)>, desk: &Desk) -> Result<Vec<Option<Name>>, Error> {
    if stacks.is_empty() {
        return Ok(Vec::new());
    }
    let mut profile = Profile::new("leaks", [ValueType::new("leaks", Unit::Count)]);
    let subjects: Vec<Subject> = stacks.iter().map(|(subject, _)| *subject).collect();
    for (index, (_, mut frames)) in stacks.into_iter().enumerate() {
        // Two keys may have the same frames, and a profile adds up what has.
        frames.push(Frame::label(MARK, index.to_string()));
        profile.add(frames, &[1], 0);
    }
    let named = desk.name(profile).await?;
    let mut names = vec![None; subjects.len()];
    for stack in named.iter() {
        let index = stack.frames().find_map(|frame| match frame {
            Frame::Label { key, value } if key == MARK => value.parse::<usize>().ok(),
            _ => None,
        });
        if let Some((index, subject)) = index.and_then(|index| Some((index, *subjects.get(index)?)))
            && let Some(name) = names.get_mut(index)
        {
            *name = Some(Name::of(&stack, subject));
        }
    }
    Ok(names)
}

const fn key(found: &Found) -> (Subject, u64) {
    (found.subject, found.finding.key)
}

/// What goes on before what is over, the surest before the others, the fastest of those first.
fn by_weight(one: &Found, other: &Found) -> Ordering {
    let weight = |found: &Found| match found.finding.level {
        Level::Resolved => 0,
        Level::Confirmed => 2,
        _ => 1,
    };
    weight(other).cmp(&weight(one)).then(other.finding.rate.total_cmp(&one.finding.rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Identity;
    use crate::leak::finding;
    use crate::profile::Function;

    const INSERT: &str = "shop::cache::insert";

    fn found(key: u64, level: Level, rate: f64) -> Found {
        let frames = vec![Frame::named(Function::new(INSERT, "src/cache.rs", 88))];
        Found { subject: Subject::Heap, finding: finding(key, level, rate), frames }
    }

    /// What is news of a look that has found `found`, and the report that it makes.
    async fn news(leaks: &mut Leaks, desk: &Arc<Desk>, found: Vec<Found>) -> (Vec<News>, Arc<Report>) {
        let now = Duration::from_secs(9_000);
        leaks.take(Looked { found, stable: Vec::new(), followed: Vec::new(), now }, desk);
        let concluded = leaks.next().await.expect("a look");
        (leaks.conclude(concluded, desk), desk.leaks())
    }

    fn desk() -> Arc<Desk> {
        Arc::new(Desk::new(Vec::new(), Identity::of("shop", None)))
    }

    #[tokio::test]
    async fn a_leak_is_told_once_when_it_is_sure_and_once_when_it_is_over() {
        let (desk, mut leaks) = (desk(), Leaks::new(1.0, Known::default()));
        let levels = [
            (Level::Suspect, 0),
            (Level::Confirmed, 1),
            (Level::Confirmed, 0),
            (Level::Resolved, 1),
            (Level::Resolved, 0),
            (Level::Confirmed, 1),
        ];
        for (level, expected) in levels {
            let (told, report) =
                news(&mut leaks, &desk, vec![found(1, level, 4e6), found(2, level, 1e6)]).await;
            assert_eq!(told.len(), expected, "{level:?}");
            let shown: Vec<_> = report.leaks.iter().map(|leak| (leak.name.as_str(), leak.level)).collect();
            assert_eq!(shown, [(INSERT, level)], "two stacks, one place");
        }
        let mut early = found(3, Level::Suspect, 4e6);
        early.finding.low_confidence = true;
        early.frames = vec![Frame::named(Function::new("shop::log", "src/log.rs", 5))];
        let mut slow = found(4, Level::Suspect, 3e5);
        slow.finding.low_confidence = true;
        slow.frames = vec![Frame::named(Function::new("shop::slow", "src/slow.rs", 5))];
        let (told, _) = news(&mut leaks, &desk, vec![early, slow]).await;
        assert_eq!(told.iter().map(|news| news.leak.name.as_str()).collect::<Vec<_>>(), ["shop::log"]);
    }

    #[tokio::test]
    async fn what_fills_up_to_what_it_held_before_is_shown_and_not_told() {
        let (desk, mut known) = (desk(), Known::default());
        let frames = found(1, Level::Confirmed, 1.0).frames;
        let name = names(vec![(Subject::Heap, frames)], &desk)
            .await
            .ok()
            .and_then(|names| names.into_iter().next()?);
        known.remember(std::iter::once((name.expect("a name").fingerprint(), 800e6)));
        let mut leaks = Leaks::new(1.0, known);
        // 120 minutes of 7 MB are 840 MB, less than 1.2 times of 800.
        let (told, report) = news(&mut leaks, &desk, vec![found(1, Level::Confirmed, 7e6)]).await;
        assert!(
            told.is_empty() && report.leaks[0].plateau.is_some_and(|plateau| (plateau - 960e6).abs() < 1e3)
        );
        let (told, report) = news(&mut leaks, &desk, vec![found(1, Level::Confirmed, 9e6)]).await;
        assert_eq!((told.len(), report.leaks[0].plateau), (1, None));
    }
}
