//! Tables of zeros that take no memory until they are touched, never move and are never freed.
//! Outside of malloc, because they are filled inside malloc.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A type for which all bytes zero is a value, and which threads may share.
///
/// # Safety
/// All bytes zero must be a valid value.
pub(crate) unsafe trait Zeroable: Sync + Sized + 'static {}

// SAFETY: an atomic integer has the layout of the integer, for which zero is a value.
unsafe impl Zeroable for AtomicU32 {}
// SAFETY: as above.
unsafe impl Zeroable for AtomicU64 {}
// SAFETY: an array of zero bytes is one of values of zero bytes.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}

/// Defines a struct of [`Zeroable`] fields that is itself [`Zeroable`].
#[cfg(any(feature = "heap", feature = "lock-profile"))]
macro_rules! zeroable {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident { $($(#[$about:meta])* $field_visibility:vis $field:ident: $type:ty,)* }) => {
        $(#[$attribute])*
        $visibility struct $name { $($(#[$about])* $field_visibility $field: $type,)* }

        // SAFETY: every field is Zeroable, which the compiler checks in `check`, and a struct of all zero bytes is
        // a struct of such fields.
        unsafe impl $crate::sys::reserve::Zeroable for $name {}

        const _: () = {
            const fn check<T: $crate::sys::reserve::Zeroable>() {}
            $(check::<$type>();)*
        };
    };
}
#[cfg(any(feature = "heap", feature = "lock-profile"))]
pub(crate) use zeroable;

/// `count` zeroed values, committed page by page when they are first written. They stay for ever, because a hook
/// on another thread may still look at them after everything else has stopped.
pub(crate) fn zeroed<T: Zeroable>(count: usize) -> io::Result<&'static [T]> {
    let bytes = count.checked_mul(size_of::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists, mmap(2).
    let start =
        unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the range is the mapping just made. Huge pages would make the first touch cost 2 MiB; that the
    // kernel may not know the advice does not matter.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE);
    }
    // SAFETY: the mapping is `bytes` long, page-aligned (no T here needs more), zeroed, which is a value of T, and
    // is never unmapped. T is Sync, and shared references are all anybody gets.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<T>(), count) })
}

/// Makes a table of [`zeroed`] all zero again and gives its memory back; its addresses stay. What is written meanwhile
/// is lost or is the first of what is written anew.
#[cfg(feature = "cpu")]
pub(crate) fn give_back<T: Zeroable>(table: &'static [T]) {
    // SAFETY: madvise(2) with MADV_DONTNEED makes an anonymous private mapping, which `zeroed` made, read as zeros; that
    // is a value of T, and who holds shared references to atomics must expect other values at any time.
    unsafe { libc::madvise(table.as_ptr().cast_mut().cast(), size_of_val(table), libc::MADV_DONTNEED) };
}

/// The system's page size, 0 when it does not say.
#[cfg(feature = "heap")]
pub(crate) fn system_page_bytes() -> u64 {
    // SAFETY: sysconf(3) only reads its argument.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0)
}

#[cfg(all(test, feature = "heap"))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    zeroable! {
        /// Two numbers.
        struct Pair {
            left: AtomicU64,
            right: AtomicU32,
        }
    }

    #[test]
    fn a_large_table_is_zero_and_writable() {
        let table = zeroed::<Pair>(1 << 24).expect("address space");
        let last = &table[table.len() - 1];
        assert_eq!((last.left.load(Ordering::Relaxed), last.right.load(Ordering::Relaxed)), (0, 0));
        last.left.store(7, Ordering::Relaxed);
        assert_eq!(last.left.load(Ordering::Relaxed), 7);
    }
}
