//! Runs a function on another stack: the one that a signal came in on may have little room left.

use core::arch::asm;
use core::ffi::c_void;

/// Calls `function(argument)` with the stack that ends at `end`, and comes back. Async-signal-safe: no memory but
/// that stack's.
///
/// # Safety
/// `end` must be the end of mapped, writable memory, a multiple of 16, with room for all that `function` does, that
/// nobody else uses meanwhile. `function` must return and must not unwind. Every signal whose handler could come on an
/// alternate stack must be blocked: the kernel would not know that the alternate stack is still in use below us.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn call_on(end: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: r12 survives a call (System V ABI, "callee-saved"), so it holds our stack pointer until we come back;
    // everything a call may change is declared. The caller vouches for the stack.
    unsafe {
        asm!(
            "xchg rsp, r12",
            "call {function}",
            "mov rsp, r12",
            function = in(reg) function,
            in("rdi") argument,
            inout("r12") end => _,
            clobber_abi("C"),
        );
    }
}

/// As above. x20 survives a call (AAPCS64), the stack pointer must be a multiple of 16.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn call_on(end: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: x20 is callee-saved, so it holds our stack pointer until we come back; x21 is used to swap and declared,
    // as is everything a call may change. The caller vouches for the stack.
    unsafe {
        asm!(
            "mov x21, sp",
            "mov sp, x20",
            "mov x20, x21",
            "blr {function}",
            "mov sp, x20",
            function = in(reg) function,
            in("x0") argument,
            inout("x20") end => _,
            out("x21") _,
            clobber_abi("C"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn note_where(argument: *mut c_void) {
        let here = 0_usize;
        // SAFETY: the pointer that the test below passes.
        unsafe { argument.cast::<usize>().write((&raw const here).expose_provenance()) };
    }

    #[test]
    fn the_function_runs_there_and_we_go_on_here() {
        let mut stack = vec![0_u128; 16 << 10];
        let range = stack.as_mut_ptr_range();
        let (low, high) = (range.start.expose_provenance(), range.end.expose_provenance());
        let mut place = 0_usize;
        for _ in 0..100 {
            // SAFETY: the vector's memory is ours, 256 KiB, and ends at a multiple of 16; no handler of this test
            // program comes on an alternate stack but that of a fault.
            unsafe { call_on(high, note_where, (&raw mut place).cast()) };
            assert!((low..high).contains(&place));
        }
    }
}
