//! Where the calling function is, for a walk that begins with its caller.

use super::Registers;

/// The registers of whoever calls this. Inlined, so that they are the caller's.
#[inline(always)]
pub(crate) fn here() -> Registers {
    let mut registers = Registers::default();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads registers, touches no memory and no flags.
    unsafe {
        core::arch::asm!(
            "lea {pc}, [rip]", "mov {sp}, rsp", "mov {fp}, rbp",
            pc = out(reg) registers.pc, sp = out(reg) registers.sp, fp = out(reg) registers.fp,
            options(nomem, nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "adr {pc}, .", "mov {sp}, sp", "mov {fp}, x29", "mov {lr}, x30",
            pc = out(reg) registers.pc, sp = out(reg) registers.sp, fp = out(reg) registers.fp,
            lr = out(reg) registers.lr,
            options(nomem, nostack, preserves_flags),
        );
    }
    registers
}
