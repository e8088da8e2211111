//! What happens in the child of a fork.

use std::sync::Once;

/// From now on every forked child begins with `child`, which must be async-signal-safe: other threads of the parent may
/// have held any lock at that moment, and are not there to give it back. Cannot be taken back; `registered` is the
/// caller's own, so that it happens once.
pub(crate) fn in_children(registered: &'static Once, child: unsafe extern "C" fn()) {
    // SAFETY: pthread_atfork(3) takes three handlers, any of which may be null; ours only store to atomics.
    registered.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(child));
    });
}
