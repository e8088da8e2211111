//! Who handles a signal now, and which C library is underneath: what a sampler must know before it starts.

use std::io;
use std::mem::MaybeUninit;

/// The address of the function that handles `SIGPROF`; `None` when nobody does (default, ignored, or our own sampler's,
/// which stays installed and gives way).
///
/// # Errors
/// What the system said.
pub(crate) fn sigprof_handler() -> io::Result<Option<usize>> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action sigaction(2) only writes the present one to `action`, which is large enough.
    let status = unsafe { libc::sigaction(libc::SIGPROF, std::ptr::null(), action.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed above, which is a valid `sigaction`, and then filled by the successful call.
    let handler = unsafe { action.assume_init() }.sa_sigaction;
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    if super::sampler::is_handler(handler) {
        return Ok(None);
    }
    Ok((handler != libc::SIG_DFL && handler != libc::SIG_IGN).then_some(handler))
}

/// The version of glibc this process runs on; `None` on another C library.
#[cfg(target_env = "gnu")]
pub(crate) fn glibc_version() -> Option<(u32, u32)> {
    // SAFETY: returns a static string that ends in NUL, gnu_get_libc_version(3).
    let text = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    parse_version(text.to_str().ok()?)
}

/// The version of glibc this process runs on; `None` on another C library.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn glibc_version() -> Option<(u32, u32)> {
    None
}

#[cfg(any(test, target_env = "gnu"))]
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("2.36"), Some((2, 36)));
        assert_eq!(parse_version("2.35.1"), Some((2, 35)));
        assert_eq!(parse_version("musl"), None);
    }
}
