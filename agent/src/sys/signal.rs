//! What the process does on a signal.

/// The address of the handler of `signal`, if it has one.
pub(crate) fn handler_of(signal: libc::c_int) -> Option<usize> {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sigaction(2) with a null pointer for the new action changes nothing and writes the old one.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    if result != 0 {
        return None;
    }
    // SAFETY: sigaction(2) returned 0, so it has filled the whole struct in.
    let action = unsafe { action.assume_init() };
    let is_function = action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN;
    is_function.then_some(action.sa_sigaction)
}
