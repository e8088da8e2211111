//! Who waits for locks and who lets them wait, by every futex call of std and parking_lot: the profiles `block` and `mutex`
//! where the feature `lock-profile` is built in. Counted since the start, as Go counts its own; the wall clock's profiles of
//! these names (`source::wall`) need no feature, and see who waits alone.

mod account;
mod book;
mod chance;
mod kind;
mod shown;
mod ticket;
mod waiters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Source, Window};
use crate::profile::Profile;
use crate::sys::syscall;
use crate::sys::unwinder::{Pool, User};
use crate::{Error, ErrorKind};

use book::Book;

pub(crate) use book::Stats;

/// Whether futex calls of this program can be heard.
pub(crate) fn is_heard() -> bool {
    Book::open().is_ok_and(Book::is_heard)
}

/// Hears of futex calls until it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    began: Instant,
    _unwinder: User,
}

impl Listening {
    /// From now on waits are counted, and looked at by how long they take: always from `rate` on.
    ///
    /// # Errors
    /// `Unsupported` where the program is linked with another `syscall`, `Io` without memory for the tables.
    pub(crate) fn start(rate: Duration) -> Result<Arc<Self>, Error> {
        let no_tables =
            |error| Error::new(ErrorKind::Io, "cannot reserve the tables of the lock profile").because(error);
        let book = Book::open().map_err(no_tables)?;
        let unwinder = Pool::global().used();
        if !book.listen(u64::try_from(rate.as_nanos()).unwrap_or(u64::MAX).max(1)) {
            let context = "this program is linked with another `syscall` than flamewatch's";
            return Err(Error::new(ErrorKind::Unsupported, context));
        }
        Ok(Arc::new(Self { began: Instant::now(), _unwinder: unwinder }))
    }

    /// What it has seen so far.
    pub(crate) fn stats(&self) -> Stats {
        Book::open().map(Book::stats).unwrap_or_default()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        syscall::disarm();
    }
}

/// Which side is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// `block`: who has waited, whatever for.
    Waited,
    /// `mutex`: who has let others wait for a lock.
    Held,
}

/// Waits by stack.
#[derive(Clone, Debug)]
pub(crate) struct Locks {
    side: Side,
    listening: Arc<Listening>,
}

impl Locks {
    /// Time by the stack that waited.
    pub(crate) fn waited(listening: &Arc<Listening>) -> Self {
        Self { side: Side::Waited, listening: listening.clone() }
    }

    /// Time by the stack that unlocked.
    pub(crate) fn held(listening: &Arc<Listening>) -> Self {
        Self { side: Side::Held, listening: listening.clone() }
    }
}

impl Source for Locks {
    fn name(&self) -> &'static str {
        match self.side {
            Side::Waited => "block",
            Side::Held => "mutex",
        }
    }

    fn about(&self) -> &'static str {
        match self.side {
            Side::Waited => {
                "Time that native threads have waited in std's and parking_lot's locks, conditions and parks, by who waited. Costs nothing to ask."
            }
            Side::Held => {
                "Time that native threads have waited for std's and parking_lot's locks, by who held them and unlocked. Costs nothing to ask."
            }
        }
    }

    fn detail(&self) -> Option<String> {
        let rate = Duration::from_nanos(Book::open().ok()?.rate_ns());
        Some(format!(
            "every futex call is seen, waits of {rate:?} and longer with their stacks, shorter ones by chance"
        ))
    }

    fn count(&self) -> Option<u64> {
        let stats = self.listening.stats();
        Some(if self.side == Side::Waited { stats.waits } else { stats.wakes })
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        // What was loaded since: the walks that follow know it.
        Pool::global().refresh();
        let book = Book::open()
            .map_err(|error| Error::new(ErrorKind::Io, "the lock profile has no tables").because(error))?;
        let mut profile = shown::profile(self.side, book);
        profile.lasted = Some(self.listening.began.elapsed());
        Ok(profile)
    }

    fn refine(&self, named: Profile) -> Profile {
        shown::refined(self.side, &named)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    /// Other tests of this process wait meanwhile, too: what is asserted holds for more of them.
    #[test]
    fn a_wait_is_counted_and_charged_while_somebody_listens() {
        let listening = Listening::start(Duration::from_nanos(1)).expect("it is linked");
        assert!(is_heard(), "also on a thread of ours");
        let before = listening.stats();
        let lock = Mutex::new(());
        thread::scope(|scope| {
            let guard = lock.lock();
            let waits = scope.spawn(|| lock.lock().map(drop).is_ok());
            thread::sleep(Duration::from_millis(50));
            drop(guard);
            assert!(waits.join().expect("no panic"));
        });
        let after = listening.stats();
        assert!(after.waits > before.waits && after.wakes > before.wakes, "{after:?}");
        assert!(after.waited_ns - before.waited_ns > 20_000_000, "{after:?}");
        assert!(after.charged_ns - before.charged_ns > 20_000_000, "{after:?}");
        for source in [Locks::waited(&listening), Locks::held(&listening)] {
            let profile = source.collect(&Window::now()).expect("a profile");
            assert!(profile.total(1) > 20_000_000 && profile.lasted.is_some(), "{profile:?}");
            assert!(profile.comments.iter().any(|comment| comment.starts_with("counted since the start")));
        }
    }
}
