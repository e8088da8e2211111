//! The threads that tick: found by listing them, kept with what they used and what was sampled of it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::newborn;
use crate::source::cpu::coverage::ThreadUse;
use crate::source::cpu::engine::ticker::{Kind, Ticker};
use crate::source::thread::{self, OWN};
use crate::sys::sampler::timer::Tick;
use crate::sys::{clock, task};

/// Listing the threads takes at most one in so many of the time: 105 threads take 20 µs, so they are listed at every turn;
/// 10,000 take 2 ms, so they are listed every 400 ms, and ten times as often when their number has changed.
const LIST_SHARE: u32 = 200;
const CHANGED_SHARE: u32 = 20;

/// So long after one was found, more threads are to be expected.
const RESTLESS_FOR: Duration = Duration::from_secs(1);

/// How long after it was found a thread may take to give itself its name.
const NAMED_AFTER: Duration = Duration::from_millis(500);

/// What a thread has used and what was sampled of it, since it was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    pub(super) used: Duration,
    pub(super) sampled: Duration,
}

#[derive(Debug)]
struct Tracked {
    name: Arc<str>,
    found: Instant,
    /// Its clock when it was last read.
    last: Duration,
    /// Its clock when the stream began; zero for one that was born since.
    before: Duration,
    account: Account,
    ticker: Option<Ticker>,
    obstacle: Option<Arc<str>>,
}

/// All threads of the process.
#[derive(Debug)]
pub(super) struct Threads {
    kind: Kind,
    tick: Tick,
    period: Duration,
    tracked: HashMap<u32, Tracked>,
    links: Option<u64>,
    listed: Option<Instant>,
    /// What threads of the agent had used when they ended.
    own_ended: Duration,
    /// Those who told of themselves and are not in the list yet.
    newborn: HashMap<u32, Ticker>,
    /// How long listing them took the last time.
    list_cost: Duration,
    /// When a thread was last found that had not been there from the beginning.
    found: Option<Instant>,
    /// Threads that could not be given a ticker, and why the last could not.
    refused: Option<(u64, Arc<str>)>,
    random: u64,
}

impl Threads {
    pub(super) fn new(kind: Kind, tick: Tick) -> Self {
        let random = clock::monotonic_ns() | 1;
        Self {
            kind,
            tick,
            period: Duration::ZERO,
            tracked: HashMap::new(),
            links: None,
            listed: None,
            own_ended: Duration::ZERO,
            newborn: HashMap::new(),
            list_cost: Duration::ZERO,
            found: None,
            refused: None,
            random,
        }
    }

    /// Lets every thread tick at another pace, from now on.
    pub(super) fn set_period(&mut self, period: Duration) {
        self.period = period;
        let (kind, tick) = (self.kind, self.tick);
        newborn::open(kind, tick, period);
        self.hear();
        for ticker in self.newborn.values() {
            if let Ticker::Timer(timer) = ticker {
                let _ = timer.set(period, period);
            }
        }
        let firsts: Vec<Duration> = (0..self.tracked.len()).map(|_| self.random_first()).collect();
        for ((number, tracked), first) in self.tracked.iter_mut().zip(firsts) {
            match &tracked.ticker {
                Some(Ticker::Timer(timer)) => {
                    let _ = timer.set(period, first);
                }
                Some(Ticker::Event { .. }) => match kind.start(*number, tick, period, first) {
                    Ok(ticker) => tracked.ticker = Some(ticker),
                    Err(error) => {
                        tracked.ticker = None;
                        tracked.obstacle = Some(format!("it could not be given a new pace: {error}").into());
                    }
                },
                None => {}
            }
        }
    }

    /// Finds new threads and forgets those that have ended, if there is a sign of either.
    pub(super) fn scan(&mut self, now: Instant) {
        self.hear();
        let links = thread::count();
        let since = self.listed.map(|listed| now.saturating_duration_since(listed));
        let after = |share| since.is_none_or(|since| since >= self.list_cost * share);
        // One may have ended as another began, so that their number says nothing.
        if after(LIST_SHARE) || (after(CHANGED_SHARE) && (links.is_none() || links != self.links)) {
            self.links = links;
            self.list(now);
            self.list_cost = now.elapsed();
        }
    }

    /// Whether threads have begun of late.
    pub(super) fn come_and_go(&self, now: Instant) -> bool {
        self.found.is_some_and(|found| now.saturating_duration_since(found) < RESTLESS_FOR)
    }

    /// Takes up those who have told of themselves and do not tick yet.
    fn hear(&mut self) {
        for (number, ticker) in newborn::take() {
            match self.tracked.get_mut(&number) {
                Some(tracked) if tracked.ticker.is_some() || tracked.name.starts_with(OWN) => {}
                Some(tracked) => (tracked.ticker, tracked.obstacle) = (Some(ticker), None),
                None => {
                    self.newborn.insert(number, ticker);
                }
            }
        }
    }

    /// Adds CPU time that was sampled on a thread.
    pub(super) fn sampled(&mut self, number: u32, cpu_ns: u64) {
        if let Some(tracked) = self.tracked.get_mut(&number) {
            let sampled = &mut tracked.account.sampled;
            *sampled = sampled.saturating_add(Duration::from_nanos(cpu_ns));
        }
    }

    /// What a thread is called, as far as is known.
    pub(super) fn name(&self, number: u32) -> Option<Arc<str>> {
        self.tracked.get(&number).map(|tracked| tracked.name.clone())
    }

    /// Every thread's account as it is now.
    pub(super) fn accounts(&mut self) -> HashMap<u32, Account> {
        for (number, tracked) in &mut self.tracked {
            if let Ok(clock) = task::cpu_time(*number) {
                tracked.account.used = clock.saturating_sub(tracked.before);
            }
        }
        self.tracked.iter().map(|(number, tracked)| (*number, tracked.account)).collect()
    }

    /// What the agent's own threads have used since the stream began, those that have ended too, as far as was seen.
    pub(super) fn own_time(&mut self) -> Duration {
        let own = self.tracked.iter_mut().filter(|(_, tracked)| tracked.name.starts_with(OWN));
        let living = own.map(|(number, tracked)| {
            tracked.last = task::cpu_time(*number).unwrap_or(tracked.last);
            tracked.last
        });
        living.sum::<Duration>() + self.own_ended
    }

    /// The uses of the service's threads since `before`.
    pub(super) fn uses_since(&mut self, before: &HashMap<u32, Account>) -> Vec<ThreadUse> {
        let accounts = self.accounts();
        let of_service = self.tracked.iter().filter(|(_, tracked)| !tracked.name.starts_with(OWN));
        let uses = of_service.map(|(number, tracked)| {
            let (now, then) = (accounts.get(number), before.get(number));
            let (now, then) = (now.copied().unwrap_or_default(), then.copied().unwrap_or_default());
            ThreadUse {
                name: tracked.name.clone(),
                number: *number,
                used: now.used.saturating_sub(then.used),
                sampled: now.sampled.saturating_sub(then.sampled),
                obstacle: tracked.obstacle.clone(),
            }
        });
        // Thousands of threads may have done nothing.
        let mut uses: Vec<ThreadUse> =
            uses.filter(|thread| !thread.used.is_zero() || !thread.sampled.is_zero()).collect();
        for thread in &mut uses {
            let silent = thread.sampled.is_zero() && thread.used > Duration::from_millis(100);
            if silent
                && thread.obstacle.is_none()
                && thread::blocks(thread.number, self.tick.signal) == Some(true)
            {
                thread.obstacle = Some("it blocks the signal that takes samples".into());
            }
        }
        uses
    }

    /// How many threads could not be sampled, and why.
    pub(super) fn refused(&self) -> Option<String> {
        let (count, why) = self.refused.as_ref()?;
        Some(format!("{count} threads could not be given a timer: {why}"))
    }

    fn list(&mut self, now: Instant) {
        // Without `/proc` there is nothing to be found, and the coverage says so.
        let Ok(numbers) = thread::list() else { return };
        let first_time = self.listed.is_none();
        self.listed = Some(now);
        let alive: std::collections::HashSet<u32> = numbers.iter().copied().collect();
        let ended = self
            .tracked
            .iter()
            .filter(|(number, tracked)| tracked.name.starts_with(OWN) && !alive.contains(number));
        self.own_ended += ended.map(|(_, tracked)| tracked.last).sum::<Duration>();
        self.tracked.retain(|number, _| alive.contains(number));
        self.newborn.retain(|number, _| alive.contains(number));
        for number in numbers {
            match self.tracked.get_mut(&number) {
                Some(tracked) => {
                    let clock = task::cpu_time(number).unwrap_or_default();
                    let before = std::mem::replace(&mut tracked.last, clock);
                    // A clock that runs backwards is another thread's, with the number of one that has ended.
                    if clock < before {
                        let old = self.tracked.remove(&number);
                        if old.is_some_and(|old| old.name.starts_with(OWN)) {
                            self.own_ended += before;
                        }
                        self.find(number, false, now);
                    } else if now.saturating_duration_since(tracked.found) < NAMED_AFTER {
                        tracked.rename(number);
                    }
                }
                None => self.find(number, first_time, now),
            }
        }
    }

    fn find(&mut self, number: u32, was_there: bool, now: Instant) {
        // One that has just ended has no clock.
        let Ok(clock) = task::cpu_time(number) else { return };
        let name = thread::name(number).unwrap_or_default();
        let own = name.starts_with(OWN);
        let has_room = self.tracked.len() < self.kind.most_threads();
        let told = self.newborn.remove(&number).filter(|_| has_room);
        let ticker = if own { None } else { told.or_else(|| self.start(number, has_room)) };
        if !was_there && !own {
            self.found = Some(now);
        }
        let tracked = Tracked {
            name: name.into(),
            found: now,
            last: clock,
            before: if was_there { clock } else { Duration::ZERO },
            account: Account::default(),
            obstacle: (ticker.is_none() && !own).then(|| "it could not be given a timer".into()),
            ticker,
        };
        self.tracked.insert(number, tracked);
    }

    fn start(&mut self, number: u32, has_room: bool) -> Option<Ticker> {
        let first = self.random_first();
        let started = if has_room {
            self.kind.start(number, self.tick, self.period, first)
        } else {
            Err(io::Error::other("there are too many"))
        };
        match started {
            Ok(ticker) => Some(ticker),
            Err(error) if is_gone(&error) => None,
            Err(error) => {
                let count = self.refused.take().map_or(0, |(count, _)| count);
                self.refused = Some((count + 1, error.to_string().into()));
                None
            }
        }
    }

    /// Anywhere in the first period: a thread that lives for half of one is seen every second time, and threads that
    /// began together do not tick together.
    fn random_first(&mut self) -> Duration {
        // xorshift64, Marsaglia 2003.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        self.period.mul_f64(share)
    }
}

impl Tracked {
    fn rename(&mut self, number: u32) {
        if let Some(name) = thread::name(number).filter(|name| **name != *self.name) {
            self.name = name.into();
            if self.name.starts_with(OWN) {
                (self.ticker, self.obstacle) = (None, None);
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    // EINVAL of timer_create(2) and ESRCH of perf_event_open(2): no such thread.
    matches!(error.raw_os_error(), Some(22 | 3))
}
