//! What a wait was for: told by the functions on its stack, so after the frames have names. Pure.

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mutex,
    RwLock,
    Condvar,
    Once,
    Park,
    /// A worker of tokio's that has nothing to do, or a thread of its blocking pool.
    Idle,
    /// `Runtime::block_on`.
    BlockOn,
    BlockingRecv,
    BlockingSend,
    BlockingLock,
    Other,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::RwLock => "rwlock",
            Self::Condvar => "condvar",
            Self::Once => "once",
            Self::Park => "park",
            Self::Idle => "tokio idle",
            Self::BlockOn => "block_on",
            Self::BlockingRecv => "blocking_recv",
            Self::BlockingSend => "blocking_send",
            Self::BlockingLock => "blocking_lock",
            Self::Other => "other",
        }
    }

    /// Whether somebody else held what was waited for.
    pub(super) const fn is_lock(self) -> bool {
        matches!(self, Self::Mutex | Self::RwLock)
    }
}

/// Parts of the names of std's and parking_lot's own functions, which come before all others on the stack.
const PRIMITIVES: &[(&str, Kind)] = &[
    ("sync::mutex::", Kind::Mutex),
    ("poison::mutex::", Kind::Mutex),
    ("reentrant_lock::", Kind::Mutex),
    ("raw_mutex::", Kind::Mutex),
    ("raw_fair_mutex::", Kind::Mutex),
    ("sync::rwlock::", Kind::RwLock),
    ("poison::rwlock::", Kind::RwLock),
    ("raw_rwlock::", Kind::RwLock),
    ("condvar::", Kind::Condvar),
    ("sync::once::", Kind::Once),
    ("poison::once::", Kind::Once),
    ("once_lock::", Kind::Once),
    ("lazy_lock::", Kind::Once),
    ("parking_lot::once::", Kind::Once),
    ("thread_parking::", Kind::Park),
    ("std::thread::park", Kind::Park),
    ("std::thread::current::park", Kind::Park),
    ("std::thread::functions::park", Kind::Park),
];

/// Of whom `PRIMITIVES` are.
const LIBRARIES: [&str; 4] = ["std::", "parking_lot::", "parking_lot_core::", "lock_api::"];

/// Who waits by such means for something else: the nearest to the root counts.
const WAITERS: &[(&str, Kind)] = &[
    ("tokio::runtime::scheduler::multi_thread::worker::Context::park", Kind::Idle),
    ("tokio::runtime::scheduler::multi_thread::park::", Kind::Idle),
    ("tokio::runtime::scheduler::current_thread::Context::park", Kind::Idle),
    ("tokio::runtime::blocking::pool::Inner::run", Kind::Idle),
    ("tokio::runtime::park::CachedParkThread::block_on", Kind::BlockOn),
    ("tokio::runtime::scheduler::current_thread::CurrentThread::block_on", Kind::BlockOn),
    ("tokio::runtime::runtime::Runtime::block_on", Kind::BlockOn),
    ("::blocking_recv", Kind::BlockingRecv),
    ("::blocking_send", Kind::BlockingSend),
    ("::blocking_lock", Kind::BlockingLock),
    ("::blocking_read", Kind::BlockingLock),
    ("::blocking_write", Kind::BlockingLock),
];

/// What the stack with these names, innermost first, waits for.
pub(super) fn of<'name>(names: impl Iterator<Item = &'name str>) -> Kind {
    let mut primitive = None;
    let mut waiter = None;
    for name in names {
        // One way of mangling writes `<std::…::Mutex>::lock`.
        let plain = name.trim_start_matches('<');
        if primitive.is_none() && LIBRARIES.iter().any(|library| plain.starts_with(library)) {
            primitive = find(PRIMITIVES, plain);
        }
        // A lock is a lock, whoever waits for it.
        if primitive.is_some_and(Kind::is_lock) {
            break;
        }
        if plain.starts_with("tokio::") {
            let plain = plain.replace('>', "");
            waiter = match (waiter, find(WAITERS, &plain)) {
                // What runs below a block_on idles when its scheduler does, and asks a channel when that is named.
                (Some(inner), Some(Kind::BlockOn)) => Some(inner),
                (before, found) => found.or(before),
            };
        }
    }
    waiter.or(primitive).unwrap_or(Kind::Other)
}

fn find(table: &[(&str, Kind)], name: &str) -> Option<Kind> {
    table.iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: Kind) {
        assert_eq!(of(names.iter().copied()), expected, "{names:?}");
    }

    #[test]
    fn waits_are_told_apart() {
        let futex = "std::sys::pal::unix::futex::futex_wait";
        check(&[futex, "std::sys::sync::mutex::futex::Mutex::lock_contended", "shop::take"], Kind::Mutex);
        check(&[futex, "std::sys::sync::rwlock::futex::RwLock::read_contended"], Kind::RwLock);
        check(&[futex, "std::sys::sync::condvar::futex::Condvar::wait_optional_timeout"], Kind::Condvar);
        check(&[futex, "std::sys::sync::once::futex::Once::call"], Kind::Once);
        check(&[futex, "std::sys::sync::thread_parking::futex::Parker::park", "shop::rest"], Kind::Park);
        let parking = "<parking_lot_core::thread_parker::imp::ThreadParker>::park";
        check(&[parking, "parking_lot::raw_mutex::RawMutex::lock_slow"], Kind::Mutex);
        check(&[parking, "<parking_lot::raw_rwlock::RawRwLock>::lock_exclusive_slow"], Kind::RwLock);
        check(&[parking, "parking_lot::condvar::Condvar::wait_until_internal"], Kind::Condvar);
        check(&["shop::sync::mutex::Own::lock"], Kind::Other);
        check(&[], Kind::Other);
    }

    #[test]
    fn who_has_nothing_to_do_is_idle_and_not_held_up() {
        let condvar = "std::sys::sync::condvar::futex::Condvar::wait";
        let park = "tokio::runtime::scheduler::multi_thread::park::Inner::park_condvar";
        check(
            &[condvar, park, "tokio::runtime::scheduler::multi_thread::worker::Context::park_internal"],
            Kind::Idle,
        );
        check(&[condvar, "<tokio::runtime::blocking::pool::Inner>::run"], Kind::Idle);
        check(&[condvar, "tokio::runtime::park::CachedParkThread::block_on", "shop::main"], Kind::BlockOn);
        check(
            &[
                condvar,
                "tokio::runtime::park::CachedParkThread::block_on",
                "tokio::sync::oneshot::Receiver<T>::blocking_recv",
                "shop::ask",
            ],
            Kind::BlockingRecv,
        );
        check(
            &[
                "std::sys::sync::mutex::futex::Mutex::lock_contended",
                "tokio::runtime::blocking::pool::Inner::run",
            ],
            Kind::Mutex,
        );
    }
}
