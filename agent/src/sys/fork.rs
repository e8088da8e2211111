//! What happens in the child of a fork.

use std::sync::Once;

use super::prof_hooks;

/// From now on a forked child starts with the allocation hooks off. A lock that another thread held at the moment
/// of the fork would otherwise stay locked for ever in the child.
pub(crate) fn disable_hooks_in_children() {
    static REGISTERED: Once = Once::new();
    // SAFETY: pthread_atfork(3) takes three handlers, any of which may be null; ours only stores to an atomic.
    // It cannot be taken back, so it is registered once and stays true for the life of the process.
    REGISTERED.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(child));
    });
}

/// Async-signal-safe: stores to one atomic.
unsafe extern "C" fn child() {
    prof_hooks::set_enabled(false);
}
