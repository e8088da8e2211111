//! The two profiles: what was counted by stack, and once the frames have names, what each wait was for. Pure but for reading
//! the counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Side;
use super::account::Account;
use super::book::Book;
use super::kind::{self, Kind};
use crate::profile::{Addr, Frame, Function, Losses, Profile, Stack, Unit, ValueType};
use crate::source::every_one;
use crate::source::stacks::StackId;

/// What stands in an unnamed profile between the frames of who woke and those of one that it woke.
const WOKEN: &str = "woken";

/// What one side has come to so far, not named yet.
pub(super) fn profile(side: Side, book: &Book) -> Profile {
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
pub(super) fn refined(side: Side, named: &Profile) -> Profile {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(profile: &Profile) -> Vec<(String, i64)> {
        let last = |stack: Stack<'_>| Some((stack.frames().last()?.show().into_owned(), stack.value(1)));
        profile.iter().filter_map(last).collect()
    }

    #[test]
    fn of_wake_ups_those_are_shown_that_ended_a_wait_for_a_lock() {
        let values = [ValueType::new("contentions", Unit::Count), ValueType::new("delay", Unit::Nanoseconds)];
        let mut profile = Profile::new("mutex", values);
        let add = |profile: &mut Profile, woke: &str, waits: Option<&str>, delay| {
            let named = |name: &str| Frame::named(Function::new(name, "", 0));
            let waits = waits.map_or(Frame::Address(Addr::Return(7)), named);
            profile.add([named(woke), Frame::label(WOKEN, "of"), waits], &[1, delay], 1);
        };
        add(&mut profile, "shop::holds", Some("std::sys::sync::mutex::futex::Mutex::lock_contended"), 10);
        add(&mut profile, "shop::writes", Some("parking_lot::raw_rwlock::RawRwLock::lock_shared_slow"), 20);
        add(&mut profile, "shop::tells", Some("std::sys::sync::condvar::futex::Condvar::wait"), 40);
        add(&mut profile, "shop::unknown", None, 80);
        let locks = refined(Side::Held, &profile);
        let expected = [("kind=mutex", 10), ("kind=rwlock", 20), ("kind=other", 80)];
        assert_eq!(labels(&locks), expected.map(|(label, delay)| (label.to_owned(), delay)));
        assert!(locks.iter().all(|stack| stack.frames().count() == 2), "who waited is not shown");
        assert_eq!(locks.comments.len(), 1);
    }
}
