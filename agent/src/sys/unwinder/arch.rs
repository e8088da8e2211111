//! What differs between processors: the registers a walk begins with. In a signal handler, so no allocation, no lock.

use framehop::MustNotAllocateDuringUnwind;

/// Where a thread is: its program counter, stack pointer and frame pointer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
    /// The link register, which holds the return address of a function that calls nobody. x86-64 has none: 0.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "only arm has one"))]
    pub(crate) lr: usize,
}

#[cfg(target_arch = "x86_64")]
mod native {
    use framehop::x86_64;

    use super::{MustNotAllocateDuringUnwind, Registers};

    pub(in crate::sys::unwinder) type Unwinder<D> = x86_64::UnwinderX86_64<D, MustNotAllocateDuringUnwind>;
    pub(in crate::sys::unwinder) type Cache = x86_64::CacheX86_64<MustNotAllocateDuringUnwind>;
    pub(in crate::sys::unwinder) type State = x86_64::UnwindRegsX86_64;

    impl Registers {
        pub(in crate::sys::unwinder) fn state(self) -> State {
            State::new(self.pc as u64, self.sp as u64, self.fp as u64)
        }

        /// The registers that the kernel saved when a signal interrupted the thread, ucontext in `<sys/ucontext.h>`.
        #[cfg(feature = "cpu")]
        pub(crate) fn of_signal(context: &libc::ucontext_t) -> Self {
            let [pc, sp, fp] = [libc::REG_RIP, libc::REG_RSP, libc::REG_RBP].map(|register| {
                let index = usize::try_from(register).unwrap_or(0);
                context
                    .uc_mcontext
                    .gregs
                    .get(index)
                    .map_or(0, |value| usize::try_from(value.cast_unsigned()).unwrap_or(0))
            });
            Self { pc, sp, fp, lr: 0 }
        }
    }

    pub(in crate::sys::unwinder) fn stack_pointer(state: &State) -> u64 {
        state.sp()
    }

    pub(in crate::sys::unwinder) fn frame_pointer(state: &State) -> u64 {
        state.bp()
    }
}

#[cfg(target_arch = "aarch64")]
mod native {
    use framehop::aarch64;

    use super::{MustNotAllocateDuringUnwind, Registers};

    pub(in crate::sys::unwinder) type Unwinder<D> = aarch64::UnwinderAarch64<D, MustNotAllocateDuringUnwind>;
    pub(in crate::sys::unwinder) type Cache = aarch64::CacheAarch64<MustNotAllocateDuringUnwind>;
    pub(in crate::sys::unwinder) type State = aarch64::UnwindRegsAarch64;

    impl Registers {
        pub(in crate::sys::unwinder) fn state(self) -> State {
            // Linux user space has addresses of at most 52 bits; what is above is the signature of a return address.
            let mask = aarch64::PtrAuthMask(0x000f_ffff_ffff_ffff);
            State::new_with_ptr_auth_mask(mask, self.lr as u64, self.sp as u64, self.fp as u64)
        }

        /// The registers that the kernel saved when a signal interrupted the thread, ucontext in `<sys/ucontext.h>`.
        #[cfg(feature = "cpu")]
        pub(crate) fn of_signal(context: &libc::ucontext_t) -> Self {
            let machine = &context.uc_mcontext;
            let register = |index: usize| {
                machine.regs.get(index).map_or(0, |value| usize::try_from(*value).unwrap_or(0))
            };
            let [pc, sp] = [machine.pc, machine.sp].map(|value| usize::try_from(value).unwrap_or(0));
            Self { pc, sp, fp: register(29), lr: register(30) }
        }
    }

    pub(in crate::sys::unwinder) fn stack_pointer(state: &State) -> u64 {
        state.sp()
    }

    pub(in crate::sys::unwinder) fn frame_pointer(state: &State) -> u64 {
        state.fp()
    }
}

pub(super) use native::{Cache, Unwinder, frame_pointer, stack_pointer};
