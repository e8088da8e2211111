//! Whether this build keeps frame pointers, found out by following them: a cargo feature cannot ask for them, and no
//! `cfg` tells.

use core::arch::asm;
use core::hint::black_box;

use super::copy;

/// The probe calls itself so often; a build that keeps frame pointers shows as many return addresses into it.
const DEPTH: usize = 8;

/// True when functions of this crate, and so of the build as a rule, keep frame pointers.
pub(crate) fn are_kept() -> bool {
    descend(DEPTH) >= DEPTH
}

/// How many frames of the chain return into this function.
#[inline(never)]
fn descend(depth: usize) -> usize {
    // `black_box` after the call, or it would become a jump and leave no frame.
    black_box(if depth == 0 {
        returns_into(descend as *const () as usize)
    } else {
        descend(black_box(depth) - 1)
    })
}

#[inline(never)]
fn returns_into(function: usize) -> usize {
    /// More than the function above takes, less than what lies between it and another recursive one.
    const SIZE: usize = 512;
    let mut frame = frame_pointer();
    let mut found = 0;
    for _ in 0..2 * DEPTH {
        let (Some(caller), Some(address)) =
            (copy::word(frame), copy::word(frame.wrapping_add(size_of::<usize>())))
        else {
            break;
        };
        found += usize::from((function..function + SIZE).contains(&address));
        if caller <= frame {
            break;
        }
        frame = caller;
    }
    found
}

#[inline(always)]
fn frame_pointer() -> usize {
    let frame: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads a register, touches no memory and no flags.
    unsafe {
        asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("mov {}, x29", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    frame
}
