//! Walking stacks by unwind tables, with framehop prepared beforehand: its modules point at the mapped images, its
//! caches have their memory, and a pool of them serves all threads.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) use available::Pool;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(super) use unavailable::Pool;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod available {
    use std::hint;
    use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
    use std::thread;

    use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
    use framehop::{
        ExplicitModuleSectionInfo, FrameAddress, Module, MustNotAllocateDuringUnwind, Unwinder as _,
    };

    use crate::source::heap::stacks::MAX_DEPTH;
    use crate::source::heap::unwind::End;
    use crate::sys::modules::{self, Bytes, Generation};
    use crate::sys::prof_hooks::Registers;
    use crate::sys::stack::Reader;

    /// Bounds of the pool: about 35 KB each, two for each processor, so that one whose owner was interrupted in
    /// the hook does not stop the others.
    const FEWEST: usize = 8;
    const MOST: usize = 32;

    /// How often a walk looks through the whole pool for a free unwinder.
    const ATTEMPTS: usize = 3;

    pub(in crate::source::heap) struct Pool {
        slots: Vec<Mutex<Prepared>>,
        loaded: Mutex<Generation>,
    }

    struct Prepared {
        unwinder: UnwinderX86_64<Bytes, MustNotAllocateDuringUnwind>,
        cache: CacheX86_64<MustNotAllocateDuringUnwind>,
    }

    impl Pool {
        pub(in crate::source::heap) fn new() -> Self {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            let slot =
                |_| Mutex::new(Prepared { unwinder: UnwinderX86_64::new(), cache: CacheX86_64::new_in() });
            let slots = (0..(2 * processors).clamp(FEWEST, MOST)).map(slot).collect();
            Self { slots, loaded: Mutex::new(Generation::default()) }
        }

        /// Walks from `registers` to the root and hands each return address to `push`, until that says no.
        pub(in crate::source::heap) fn walk(
            &self,
            registers: Registers,
            mut push: impl FnMut(usize) -> bool,
        ) -> End {
            let Some(mut prepared) = self.acquire() else { return End::Busy };
            let Prepared { unwinder, cache } = &mut *prepared;
            let mut reader = Reader::above(registers.sp);
            let mut read = |address: u64| {
                usize::try_from(address).ok().and_then(|at| reader.word(at)).map(|word| word as u64).ok_or(())
            };
            let mut state =
                UnwindRegsX86_64::new(registers.pc as u64, registers.sp as u64, registers.fp as u64);
            let mut next = Some(registers.pc as u64);
            for _ in 0..MAX_DEPTH {
                let Some((address, frame)) =
                    next.and_then(|at| Some((at, FrameAddress::from_return_address(at)?)))
                else {
                    return End::Root;
                };
                if !usize::try_from(address).is_ok_and(&mut push) {
                    return End::Full;
                }
                next = match unwinder.unwind_frame(frame, &mut state, cache, &mut read) {
                    Ok(next) => next,
                    Err(_) => return End::Lost,
                };
            }
            if next.is_none() { End::Root } else { End::Full }
        }

        /// Takes up images that were loaded or unloaded since the last call. Not for hooks.
        pub(in crate::source::heap) fn refresh(&self) {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            let now = modules::generation();
            if *loaded == now {
                return;
            }
            *loaded = now;
            let mut unwinder = UnwinderX86_64::new();
            for module in modules::loaded() {
                unwinder.add_module(prepare(module));
            }
            for slot in &self.slots {
                if let Some(mut prepared) = wait(slot) {
                    prepared.unwinder = unwinder.clone();
                }
            }
        }

        fn acquire(&self) -> Option<MutexGuard<'_, Prepared>> {
            for _ in 0..ATTEMPTS {
                // Always the first that is free: its cache is the warmest.
                if let Some(prepared) = self.slots.iter().find_map(try_lock) {
                    return Some(prepared);
                }
                hint::spin_loop();
            }
            None
        }
    }

    /// No waiting without end: in a forked child a slot may be locked by a thread that is not there.
    fn wait(slot: &Mutex<Prepared>) -> Option<MutexGuard<'_, Prepared>> {
        for _ in 0..1000 {
            if let Some(prepared) = try_lock(slot) {
                return Some(prepared);
            }
            thread::sleep(std::time::Duration::from_millis(1));
        }
        None
    }

    fn try_lock(slot: &Mutex<Prepared>) -> Option<MutexGuard<'_, Prepared>> {
        match slot.try_lock() {
            Ok(prepared) => Some(prepared),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn prepare(module: modules::Module) -> Module<Bytes> {
        let range_of = |section: &modules::Section| {
            Some(section.address..section.address.saturating_add(section.bytes.len() as u64))
        };
        let sections = ExplicitModuleSectionInfo {
            eh_frame_svma: range_of(&module.eh_frame),
            eh_frame_hdr_svma: range_of(&module.eh_frame_hdr),
            eh_frame: Some(module.eh_frame.bytes),
            eh_frame_hdr: Some(module.eh_frame_hdr.bytes),
            ..ExplicitModuleSectionInfo::default()
        };
        Module::new(module.name, module.range, module.bias, sections)
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
