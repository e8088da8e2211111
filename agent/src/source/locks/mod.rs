//! Who waits for locks and who lets them wait, by every futex call of std and parking_lot: the profiles `block` and `mutex`
//! where the feature `lock-profile` is built in. Counted since the start, as Go counts its own; the wall clock's profiles of
//! these names (`source::wall`) need no feature, and see who waits alone.

mod book;
mod chance;
mod kind;
mod ticket;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::stacks::StackId;
use super::{Source, Window, every_one};
use crate::profile::{Addr, Frame, Function, Losses, Profile, Stack, Unit, ValueType};
use crate::sys::syscall;
use crate::sys::unwinder::{Pool, User};
use crate::{Error, ErrorKind};

use book::{Account, Book};
use kind::Kind;

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
        let mut profile = profile(self.side, book);
        profile.lasted = Some(self.listening.began.elapsed());
        Ok(profile)
    }

    fn refine(&self, named: Profile) -> Profile {
        refined(self.side, &named)
    }
}

/// What stands in an unnamed profile between the frames of who woke and those of one that it woke.
const WOKEN: &str = "woken";

fn profile(side: Side, book: &Book) -> Profile {
    let values = [ValueType::new("contentions", Unit::Count), ValueType::new("delay", Unit::Nanoseconds)];
    let (name, account) = match side {
        Side::Waited => ("block", &book.waited),
        Side::Held => ("mutex", &book.woke),
    };
    let mut profile = Profile::new(name, values);
    profile.period = every_one(&profile);
    let mut sum = 0;
    for stack in (0..).take(account.stacks.len()).map(StackId) {
        let counted = account.stacks.allocated(stack);
        sum += counted.bytes;
        let delay = i64::try_from(counted.bytes).unwrap_or(i64::MAX);
        let mut frames = frames(account, stack);
        if side == Side::Held {
            // Until whoever was woken runs, which is microseconds, nobody knows what it has waited for.
            let Some(woken) = book.woken_by(stack) else { continue };
            frames.push(Frame::label(WOKEN, "of"));
            frames.extend(self::frames(&book.waited, woken));
        }
        if counted.samples > 0 {
            profile.add(frames, &[whole(counted.objects), delay], counted.samples);
        }
    }
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    profile.losses = Losses {
        truncated: of(&account.truncated),
        incomplete: of(&account.incomplete),
        dropped: of(&account.busy).saturating_add(account.stacks.overflowed()),
        ..Losses::default()
    };
    profile.comments = remarks(side, book, sum);
    profile
}

fn frames(account: &Account, stack: StackId) -> Vec<Frame> {
    let frames: Vec<_> =
        account.stacks.addresses(stack).map(|address| Frame::Address(Addr::Return(address))).collect();
    match (frames.is_empty(), stack) {
        (false, _) => frames,
        (true, StackId::OVERFLOW) => vec![Frame::named(Function::new("(stack table full)", "", 0))],
        (true, _) => vec![Frame::named(Function::new("(no stack)", "", 0))],
    }
}

/// Where the numbers come from, and how far they are from what was counted.
fn remarks(side: Side, book: &Book, estimate: u64) -> Vec<String> {
    let stats = book.stats();
    let rate = Duration::from_nanos(book.rate_ns());
    let seconds = |ns: u64| ns as f64 / 1e9;
    let mut remarks = vec![
        "by every futex call of std and parking_lot (lock-profile), since the start; pthread's own locks are in wall".to_owned(),
        format!("sampled by delay: always from {rate:?} on, shorter waits with a chance of delay/{rate:?}"),
    ];
    let (events, exact, sampled, what) = match side {
        Side::Waited => (stats.waits, stats.waited_ns, stats.sampled_waits, "waits"),
        Side::Held => (stats.wakes, stats.charged_ns, stats.sampled_wakes, "wake-ups, unlocks and others"),
    };
    let off = if exact > 0 { (estimate as f64 / exact as f64 - 1.0) * 100.0 } else { 0.0 };
    remarks.push(format!(
        "counted since the start: {events} {what}, {:.3} s; this estimate of it from {sampled} samples is {off:+.1} % off",
        seconds(exact),
    ));
    if side == Side::Held {
        let nobody = stats.waited_ns.saturating_sub(stats.charged_ns);
        remarks.push(format!(
            "who unlocked, not who waited; {:.3} s of {:.3} s waited for anything are charged to nobody: a time-out, a signal, a wake-up not seen",
            seconds(nobody),
            seconds(stats.waited_ns),
        ));
    }
    if stats.unplaced > 0 {
        remarks.push(format!("{} waits found no room in the table of those under way", stats.unplaced));
    }
    remarks
}

/// A named profile with the label `kind`; of the wake-ups those that are unlocks. Where no function has a name nobody knows
/// what is one, and all are kept.
fn refined(side: Side, named: &Profile) -> Profile {
    let shown = match side {
        Side::Waited => named.filtered(|_| true),
        Side::Held => {
            let mut locks = named.filtered(|stack| kind_of(waiting(stack)).is_none_or(Kind::is_lock));
            if locks.len() < named.len() {
                let remark = "of the wake-ups, those that are unlocks; waits for anything else are in block";
                locks.comments.push(remark.to_owned());
            }
            locks
        }
    };
    shown.rebuilt(|stack| {
        let kind = kind_of(waiting(stack)).unwrap_or(Kind::Other);
        let own = stack.frames().take_while(|frame| !is_border(frame)).cloned();
        own.chain([Frame::label("kind", kind.as_str())]).collect()
    })
}

fn is_border(frame: &Frame) -> bool {
    matches!(frame, Frame::Label { key, .. } if &**key == WOKEN)
}

/// The frames of who waited: all, or of a wake-up those behind the border.
fn waiting<'profile>(stack: &Stack<'profile>) -> impl Iterator<Item = &'profile Frame> + use<'profile> {
    let border = stack.frames().position(is_border).map_or(0, |at| at + 1);
    stack.frames().skip(border)
}

/// What they waited for, if any of them has a name.
fn kind_of<'profile>(frames: impl Iterator<Item = &'profile Frame>) -> Option<Kind> {
    let mut named = frames
        .filter_map(|frame| match frame {
            Frame::Named(function) => Some(function.name.as_str()),
            _ => None,
        })
        .peekable();
    named.peek().is_some().then(|| kind::of(named))
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}
