//! Which waits are for a lock: told by the function that waits, so after the frames have names. Pure.

use crate::profile::{Frame, Profile};

/// How the functions begin that wait for a lock that somebody else holds.
const WAITS: &[&str] = &[
    "std::sys::sync::mutex::",
    "std::sys::sync::rwlock::",
    "std::sys::sync::reentrant_mutex::",
    "std::sync::mutex::",
    "std::sync::rwlock::",
    "std::sync::poison::mutex::",
    "std::sync::poison::rwlock::",
    "parking_lot::raw_mutex::",
    "parking_lot::raw_rwlock::",
    "parking_lot::raw_fair_mutex::",
    "<parking_lot::raw_mutex::",
    "<parking_lot::raw_rwlock::",
    "__lll_lock_wait",
    "___pthread_mutex_lock",
    "__pthread_mutex_lock",
    "pthread_mutex_lock",
    "__pthread_rwlock_",
    "pthread_rwlock_",
];

/// What a thread waits on that is no lock, though a lock is taken up again afterwards.
const CONDITIONS: &[&str] = &["condvar", "pthread_cond", "park", "Once", "thread::join"];

/// The stacks of a named profile that wait for a lock.
pub(super) fn only_locks(named: &Profile) -> Profile {
    let mut locks = named.filtered(|stack| {
        let mut names = stack.frames().filter_map(|frame| match frame {
            Frame::Named(function) => Some(function.name.as_str()),
            _ => None,
        });
        names.any(is_lock)
    });
    if locks.len() < named.len() {
        locks.comments.push("of the waits in futex, those whose stack shows a lock".to_owned());
    }
    locks
}

fn is_lock(name: &str) -> bool {
    WAITS.iter().any(|start| name.starts_with(start))
        && !CONDITIONS.iter().any(|part| name.contains(part) && !name.starts_with("parking_lot"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Function, Unit, ValueType};

    #[test]
    fn waits_for_locks_are_told_from_others() {
        let mut profile = Profile::new("mutex", [ValueType::new("delay", Unit::Nanoseconds)]);
        let add = |profile: &mut Profile, names: &[&str]| {
            let frames: Vec<_> = names.iter().map(|name| Frame::named(Function::new(*name, "", 0))).collect();
            profile.add(frames, &[1], 1);
        };
        add(&mut profile, &["syscall", "std::sys::sync::mutex::futex::Mutex::lock_contended", "shop::take"]);
        add(
            &mut profile,
            &["syscall", "std::sys::sync::condvar::futex::Condvar::wait_timeout", "shop::wait"],
        );
        add(&mut profile, &["syscall", "parking_lot::raw_mutex::RawMutex::lock_slow", "shop::take"]);
        add(&mut profile, &["epoll_wait", "mio::poll::Poll::poll"]);
        let locks = only_locks(&profile);
        let seen: Vec<_> = locks.iter().filter_map(|stack| stack.frames().nth(1)).map(Frame::show).collect();
        assert_eq!(
            seen,
            [
                "std::sys::sync::mutex::futex::Mutex::lock_contended",
                "parking_lot::raw_mutex::RawMutex::lock_slow"
            ]
        );
        assert_eq!(locks.comments.len(), 1);
    }
}
