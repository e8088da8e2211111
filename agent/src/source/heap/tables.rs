//! Walking the stack of an allocating thread by unwind tables, where this build knows the caller's registers.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) use available::Pool;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(super) use unavailable::Pool;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod available {
    use crate::source::heap::unwind::End;
    use crate::source::stacks::MAX_DEPTH;
    use crate::sys::prof_hooks::Registers;
    use crate::sys::unwinder::stack::Reader;
    use crate::sys::unwinder::{self, First};

    /// The process's prepared unwinders.
    pub(in crate::source::heap) struct Pool(&'static unwinder::Pool, unwinder::User);

    impl Pool {
        pub(in crate::source::heap) fn new() -> Self {
            let pool = unwinder::Pool::global();
            Self(pool, pool.used())
        }

        /// Walks from `registers` to the root and hands each return address to `push`, until that says no.
        pub(in crate::source::heap) fn walk(
            &self,
            registers: Registers,
            mut push: impl FnMut(usize) -> bool,
        ) -> End {
            let Some(mut walker) = self.0.take() else { return End::Busy };
            let Registers { pc, sp, fp } = registers;
            let from = unwinder::Registers { pc, sp, fp, lr: 0 };
            let mut reader = Reader::above(sp);
            let mut room = MAX_DEPTH;
            let push = |address| {
                room = room.saturating_sub(1);
                push(address) && room > 0
            };
            let (end, _) = walker.walk(First::Return, from, |address| reader.word(address), push);
            end
        }

        /// Takes up images that were loaded or unloaded since the last call. Not for hooks.
        pub(in crate::source::heap) fn refresh(&self) {
            self.0.refresh();
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod unavailable {
    use crate::source::heap::unwind::End;
    use crate::sys::prof_hooks::Registers;

    /// There is no entry that gives us the registers here, so there is nothing to walk from.
    pub(in crate::source::heap) struct Pool;

    impl Pool {
        pub(in crate::source::heap) fn new() -> Self {
            Self
        }

        pub(in crate::source::heap) fn walk(
            &self,
            _registers: Registers,
            _push: impl FnMut(usize) -> bool,
        ) -> End {
            End::Busy
        }

        pub(in crate::source::heap) fn refresh(&self) {}
    }
}
