//! What happens in the child of a fork.

use std::sync::Once;

/// From now on a forked child starts with the allocation hooks off. A lock that another thread held at the moment
/// of the fork would otherwise stay locked for ever in the child.
#[cfg(feature = "heap")]
pub(crate) fn disable_hooks_in_children() {
    static REGISTERED: Once = Once::new();
    unsafe extern "C" fn child() {
        super::prof_hooks::set_enabled(false);
    }
    REGISTERED.call_once(|| in_children(child));
}

/// From now on a forked child takes no signal for a sampler's: it has neither timers nor threads of ours.
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn stop_sampling_in_children() {
    static REGISTERED: Once = Once::new();
    unsafe extern "C" fn child() {
        super::sampler::stop_in_child();
    }
    REGISTERED.call_once(|| in_children(child));
}

fn in_children(child: unsafe extern "C" fn()) {
    // SAFETY: pthread_atfork(3) takes three handlers, any of which may be null; both of ours only store to atomics.
    // It cannot be taken back, so each is registered once and stays true for the life of the process.
    unsafe { libc::pthread_atfork(None, None, Some(child)) };
}
