//! Whose signal it is: takes one that nobody uses.
//!
//! The handler stays where it is for the life of the process, as Go's does. Putting the default back, which ends the
//! process, would need to know that no signal is under way; a perf event's can come after the event is closed. Staying,
//! it ignores what is not ours, costs nothing, and gives way to whoever installs another.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::handler;

/// The signal that our handler is installed for; 0 before there is one.
static TAKEN: Mutex<c_int> = Mutex::new(0);

/// A signal that is ours as long as nobody takes it over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    number: c_int,
}

impl Claim {
    /// SIGPROF, or where somebody handles that, the highest realtime signal that nobody does.
    ///
    /// # Errors
    /// When the system refuses, or every signal is somebody's.
    pub(crate) fn take() -> io::Result<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken == 0 || !is_ours(*taken) {
            let number = free()?;
            install(number)?;
            *taken = number;
        }
        Ok(Self { number: *taken })
    }

    /// Its number.
    pub(crate) const fn number(&self) -> c_int {
        self.number
    }

    /// True when it is the one that profilers use by custom.
    pub(crate) const fn is_usual(&self) -> bool {
        self.number == libc::SIGPROF
    }

    /// False once somebody else has installed a handler over ours: their signal it is then.
    pub(crate) fn is_ours(&self) -> bool {
        is_ours(self.number)
    }
}

fn free() -> io::Result<c_int> {
    let real_time = (libc::SIGRTMIN() + 1..libc::SIGRTMAX()).rev();
    let mut candidates = std::iter::once(libc::SIGPROF).chain(real_time);
    let nobodys = |number: &c_int| {
        handler_of(*number).is_ok_and(|handler| handler == libc::SIG_DFL || handler == libc::SIG_IGN)
    };
    candidates
        .find(nobodys)
        .ok_or_else(|| io::Error::other("SIGPROF and every realtime signal are handled by others"))
}

fn is_ours(number: c_int) -> bool {
    handler_of(number).is_ok_and(|handler| handler == handler::on_signal as *const () as usize)
}

/// The address of the function that handles `number`.
fn handler_of(number: c_int) -> io::Result<libc::sighandler_t> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action sigaction(2) only writes the present one to `action`, which is large enough.
    if unsafe { libc::sigaction(number, core::ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed above, which is a valid `sigaction`, and then filled by the successful call.
    Ok(unsafe { action.assume_init() }.sa_sigaction)
}

/// Every signal is blocked in the handler: it runs on a stack that the kernel does not know as a signal stack. System
/// calls go on where they can; the thread keeps its alternate stack if it has one.
fn install(number: c_int) -> io::Result<()> {
    // SAFETY: all bytes zero is a sigaction.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler::on_signal as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: a sigset_t is a set of bits. Not by sigfillset(3), which leaves out the signals of libc's own: the one by
    // which setuid(2) reaches every thread comes on the alternate stack, and would come over the frames of ours there.
    unsafe { core::ptr::write_bytes(&raw mut action.sa_mask, 0xff, 1) };
    set(number, &action)
}

fn set(number: c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: sigaction(2) reads an initialized action, and may be given null for the old one. Our handler keeps the
    // rules of a handler, see there.
    if unsafe { libc::sigaction(number, action, core::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
