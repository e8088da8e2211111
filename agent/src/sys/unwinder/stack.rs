//! Words of this thread's own stack, read so that a wrong address gives `None` and not a fault.
//! Runs inside malloc and in signal handlers: no allocation, no lock; the thread-local has no destructor.
//!
//! What lies between the stack pointer and an address is asked of the kernel page by page. Asking libc instead
//! (`pthread_getattr_np`) takes its locks and allocates. [`Reader`] remembers the answers from one walk to the next;
//! [`Fresh`] does not: a signal handler may interrupt the reader that is just writing them down.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;

/// The kernel maps and protects memory in multiples of this.
pub(super) const PAGE: usize = 4096;

/// A read further than this above what is known is checked for itself and not remembered: a frame with a buffer
/// of megabytes must not cost a check for each of its pages.
const FAR: usize = 64 * PAGE;

thread_local! {
    /// The readable range that this thread's stack is known to have: whole pages, no hole.
    static KNOWN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Reads the stack above one stack pointer.
#[derive(Debug)]
pub(crate) struct Reader {
    low: usize,
    high: usize,
}

impl Reader {
    /// A reader of this thread's stack from `sp` upwards.
    pub(crate) fn above(sp: usize) -> Self {
        let page = sp & !(PAGE - 1);
        let (low, high) = KNOWN.get();
        if (low..high).contains(&sp) {
            return Self { low, high };
        }
        // Deeper than ever before on the same stack: what lies between joins what is known. Anything else is
        // another stack (a coroutine, a signal stack), of which only the page in use is known.
        let deeper = page < low && low - page <= FAR && (page..low).step_by(PAGE).all(is_readable);
        let reader = if deeper {
            Self { low: page, high }
        } else {
            Self { low: page, high: page.saturating_add(PAGE) }
        };
        reader.remember();
        reader
    }

    /// The word at `address`, if it is aligned, on this stack and mapped.
    pub(crate) fn word(&mut self, address: usize) -> Option<usize> {
        if !address.is_multiple_of(size_of::<usize>()) || address < self.low {
            return None;
        }
        if address >= self.high && !self.reach(address) {
            return None;
        }
        // SAFETY: the address is aligned, and `reach` or an earlier call found its page readable. It lies above
        // the stack pointer of a function that has not returned, so this thread's stack there stays mapped.
        // Volatile, because the words belong to frames the compiler knows to be somebody else's.
        Some(unsafe { ptr::with_exposed_provenance::<usize>(address).read_volatile() })
    }

    fn reach(&mut self, address: usize) -> bool {
        let page = address & !(PAGE - 1);
        let Some(after) = page.checked_add(PAGE) else { return false };
        if page - self.high >= FAR {
            return is_readable(page);
        }
        while self.high < after {
            if !is_readable(self.high) {
                return false;
            }
            self.high += PAGE;
            self.remember();
        }
        true
    }

    fn remember(&self) {
        KNOWN.set((self.low, self.high));
    }
}

/// Reads the stack above one stack pointer, of the thread that a signal interrupted and on which its handler runs now.
#[cfg(feature = "cpu")]
#[derive(Debug)]
pub(crate) struct Fresh {
    low: usize,
    high: usize,
}

#[cfg(feature = "cpu")]
impl Fresh {
    /// A reader of this thread's stack from `sp` upwards.
    pub(crate) fn above(sp: usize) -> Self {
        let page = sp & !(PAGE - 1);
        Self { low: page, high: page }
    }

    /// The word at `address`, if it is aligned, not below the stack pointer's page and mapped. Async-signal-safe:
    /// touches nothing but the word, which it reads directly where the stack reaches without a hole, and through the
    /// kernel elsewhere: what damaged tables point to is not ours to hold in place.
    #[inline]
    pub(crate) fn word(&mut self, address: usize) -> Option<usize> {
        if !address.is_multiple_of(size_of::<usize>()) || address < self.low {
            return None;
        }
        if address >= self.high && !self.reach(address) {
            return super::copy::word(address);
        }
        // SAFETY: aligned, and `reach` found every page from the stack pointer's to this one readable: that is the
        // stack of the interrupted thread, which stays mapped while it stands still, or what directly follows it.
        // Volatile, because the words belong to frames the compiler knows to be somebody else's.
        Some(unsafe { ptr::with_exposed_provenance::<usize>(address).read_volatile() })
    }

    #[cold]
    fn reach(&mut self, address: usize) -> bool {
        let page = address & !(PAGE - 1);
        let Some(after) = page.checked_add(PAGE) else { return false };
        if page - self.high >= FAR {
            return false;
        }
        while self.high < after {
            if !is_readable(self.high) {
                return false;
            }
            self.high += PAGE;
        }
        true
    }
}

/// Whether the kernel can read a word at `address`. About 0.1 µs.
///
/// rt_sigprocmask(2) copies the new set from user memory before it looks at `how`: with a `how` that does not exist
/// it fails with EFAULT where the memory cannot be read and with EINVAL where it can, and changes nothing.
fn is_readable(address: usize) -> bool {
    const NO_SUCH_HOW: libc::c_int = -1;
    const KERNEL_SIGSET_BYTES: usize = 8;
    // SAFETY: __errno_location is always valid on the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { errno.read() };
    // SAFETY: with this `how` the call changes nothing, rt_sigprocmask(2); the kernel checks the address itself. It
    // fails, but for the address 0, which means no new set.
    let status = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NO_SUCH_HOW,
            ptr::without_provenance::<c_void>(address),
            ptr::null_mut::<c_void>(),
            KERNEL_SIGSET_BYTES,
        )
    };
    // SAFETY: as above.
    let readable = status == -1 && unsafe { errno.read() } == libc::EINVAL;
    // SAFETY: as above.
    unsafe { errno.write(saved) };
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_mapped_and_refuses_the_rest() {
        let local = [11_usize, 22, 33];
        let sp = (&raw const local).expose_provenance();
        let mut reader = Reader::above(sp);
        assert_eq!(reader.word(sp + 8), Some(22));
        assert_eq!(reader.word(sp + 9), None, "not aligned");
        assert!(reader.word(sp & !(PAGE - 1)).is_some());
        assert_eq!(reader.word(8), None, "below the stack");
        assert_eq!(reader.word(usize::MAX & !7), None, "not mapped, and the last page");
        assert_eq!(reader.word(0x7fff_ffff_f000), None, "the hole above user space");
    }

    #[cfg(feature = "cpu")]
    #[test]
    fn a_fresh_reader_reads_the_same() {
        let local = [11_usize, 22, 33];
        let sp = (&raw const local).expose_provenance();
        let mut reader = Fresh::above(sp);
        assert_eq!((reader.word(sp + 8), reader.word(sp + 9), reader.word(8)), (Some(22), None, None));
        assert_eq!(reader.word(usize::MAX & !7), None, "not mapped, and the last page");
        let far: Box<usize> = Box::new(44);
        let heap = (&raw const *far).expose_provenance();
        assert_eq!(Fresh::above(heap & !(PAGE - 1)).word(heap), Some(44));
        assert_eq!(Fresh::above(4096).word(sp), Some(11), "far away, through the kernel");
    }

    #[test]
    fn a_guard_page_ends_the_stack() {
        // SAFETY: a new anonymous mapping touches nothing that exists.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                4 * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        let base = start.expose_provenance();
        let guard = ptr::with_exposed_provenance_mut(base + 2 * PAGE);
        // SAFETY: the third page of the mapping just made.
        assert_eq!(unsafe { libc::mprotect(guard, PAGE, libc::PROT_NONE) }, 0);
        let mut reader = Reader::above(base + 64);
        assert_eq!(reader.word(base + PAGE), Some(0));
        assert_eq!(reader.word(base + 2 * PAGE), None);
        assert_eq!(reader.word(base + 3 * PAGE), None, "behind the hole");
        // SAFETY: the mapping made above, unused from here on.
        unsafe { libc::munmap(start, 4 * PAGE) };
        let here = 0_usize;
        Reader::above((&raw const here).expose_provenance());
        assert_eq!(Reader::above(base + 64).high, base + PAGE, "back on another stack it starts anew");
    }
}
