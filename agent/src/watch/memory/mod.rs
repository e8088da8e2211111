//! What the memory of a process consists of, and which part of it grew. Pure: who reads the numbers and what they are
//! shown on is somebody else's business.

mod history;
mod verdict;

pub(crate) use history::{Account, History};
pub(crate) use verdict::{MIN_GROWTH, Verdict};

/// The memory of a process at one moment, in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// What is resident and belongs to no file: heap, stacks, mappings of the program's own.
    pub(crate) anonymous: u64,
    /// What is resident of mapped files.
    pub(crate) file: u64,
    /// What is resident of memory shared with others: shmem, tmpfs.
    pub(crate) shared: u64,
    pub(crate) threads: u64,
    /// What the allocator says; `None` where it is not jemalloc.
    pub(crate) heap: Option<Heap>,
    /// What the threads' stacks take; `None` where nobody has looked.
    pub(crate) stacks: Option<Stacks>,
    /// What the cgroup that limits the process counts; `None` where none does.
    pub(crate) cgroup: Option<Cgroup>,
    /// How near the limit is; `None` where none is known.
    pub(crate) level: Option<Level>,
}

/// jemalloc's sums, by the names of jemalloc(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heap {
    /// Handed out to the program.
    pub(crate) allocated: u64,
    /// Whole pages that hold something handed out.
    pub(crate) active: u64,
    /// Active pages, metadata, and unused dirty pages. An upper bound: a page that nobody has written to yet counts too.
    pub(crate) resident: u64,
    /// jemalloc's own bookkeeping.
    pub(crate) metadata: u64,
    /// Unused pages that the kernel may take whenever it wants. Not part of `resident`, and resident until taken.
    pub(crate) muzzy: u64,
}

/// What the stacks of all threads take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stacks {
    pub(crate) bytes: u64,
    /// True when not every thread was looked at now, and the rest is taken to be like those that were.
    pub(crate) estimated: bool,
}

/// What a cgroup counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroup {
    /// All of it, with every page of a file that was read.
    pub(crate) usage: u64,
    /// Pages of files, mapped or not.
    pub(crate) cache: u64,
    /// Those of them that nobody has touched for a while: the kernel takes them back first.
    pub(crate) inactive_file: u64,
    pub(crate) limit: u64,
}

/// How near the limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// What is held against the limit.
    pub(crate) usage: u64,
    pub(crate) limit: u64,
    /// What is left. Less than the limit less the usage where others take from the same.
    pub(crate) room: u64,
    /// Whose limit it is, in words.
    pub(crate) whose: &'static str,
}

/// A part of the memory. The first eight add up to what is resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Allocated by the program and not freed.
    Allocated,
    /// Between allocations: the unused rest of pages that hold something.
    Fragmentation,
    /// Freed, and kept by jemalloc for a while: dirty and muzzy pages.
    Kept,
    /// jemalloc's bookkeeping.
    Metadata,
    /// The stacks of threads.
    Stacks,
    /// What is anonymous and none of the above: mappings of the program's own, other allocators, huge pages' rests.
    Anonymous,
    /// Mapped files, the program itself among them.
    File,
    /// Memory shared with others.
    Shared,
    /// Files in the page cache that this process does not map.
    Cache,
    /// Other processes of the cgroup, and the kernel's memory for all of them.
    Others,
}

impl Memory {
    /// What is resident.
    pub(crate) fn rss(&self) -> u64 {
        self.anonymous.saturating_add(self.file).saturating_add(self.shared)
    }

    /// Every part that is known. What the allocator has and nobody has written to has no memory behind it and is left out, so
    /// that the parts of the process add up to what is resident.
    pub(crate) fn parts(&self) -> Vec<(Part, u64)> {
        let mut parts = Vec::with_capacity(10);
        // The stacks were counted page by page; what jemalloc says is an upper bound.
        let stacks = self.stacks.map(|stacks| stacks.bytes.min(self.anonymous));
        let in_heap = self.heap.map_or(0, Heap::at_most).saturating_sub(self.untouched());
        if let Some(heap) = self.heap {
            let touched = heap.less(self.untouched());
            parts.extend([
                (Part::Allocated, touched.allocated),
                (Part::Fragmentation, heap.fragmentation()),
                (Part::Kept, heap.kept()),
                (Part::Metadata, touched.metadata),
            ]);
        }
        parts.extend(stacks.map(|stacks| (Part::Stacks, stacks)));
        parts.extend([
            (Part::Anonymous, self.anonymous.saturating_sub(in_heap).saturating_sub(stacks.unwrap_or(0))),
            (Part::File, self.file),
            (Part::Shared, self.shared),
        ]);
        if let Some(cgroup) = self.cgroup {
            let cache = cgroup.cache.saturating_sub(self.file);
            let others = cgroup.usage.saturating_sub(self.rss()).saturating_sub(cache);
            parts.extend([(Part::Cache, cache), (Part::Others, others)]);
        }
        parts
    }

    /// The same without the pages of files that nobody touched for a while, which the kernel gives up first.
    fn without_inactive(&self) -> Self {
        let without = |cgroup: Cgroup| Cgroup {
            usage: cgroup.usage.saturating_sub(cgroup.inactive_file),
            cache: cgroup.cache.saturating_sub(cgroup.inactive_file),
            inactive_file: 0,
            ..cgroup
        };
        Self { cgroup: self.cgroup.map(without), ..self.clone() }
    }

    /// What the allocator has and nobody has written to, as far as that shows: jemalloc takes it for resident, the kernel
    /// does not. Allocated, or metadata.
    pub(crate) fn untouched(&self) -> u64 {
        let Some(heap) = self.heap else { return 0 };
        let room = self.anonymous.saturating_sub(self.stacks.map_or(0, |stacks| stacks.bytes));
        heap.at_most().saturating_sub(room).min(heap.allocated.saturating_add(heap.metadata))
    }
}

impl Heap {
    /// What of it may be in memory.
    pub(super) const fn at_most(self) -> u64 {
        self.resident.saturating_add(self.muzzy)
    }

    /// The same without `untouched` bytes, which both kinds that may be untouched have in proportion.
    fn less(self, untouched: u64) -> Self {
        let of_metadata = u128::from(untouched) * u128::from(self.metadata)
            / u128::from(self.allocated.saturating_add(self.metadata)).max(1);
        let of_metadata = u64::try_from(of_metadata).unwrap_or(0);
        Self {
            allocated: self.allocated.saturating_sub(untouched.saturating_sub(of_metadata)),
            metadata: self.metadata.saturating_sub(of_metadata),
            ..self
        }
    }

    /// The unused rest of pages that hold something.
    pub(crate) const fn fragmentation(&self) -> u64 {
        self.active.saturating_sub(self.allocated)
    }

    /// Freed pages that were not given back yet: dirty ones, which are what is resident and neither active nor
    /// metadata, and muzzy ones.
    pub(crate) const fn kept(&self) -> u64 {
        self.resident.saturating_sub(self.active).saturating_sub(self.metadata).saturating_add(self.muzzy)
    }
}

impl Level {
    /// How full it is: 1 at the limit.
    pub(crate) fn share(&self) -> f64 {
        1.0 - self.room as f64 / self.limit.max(1) as f64
    }
}

impl Part {
    /// Its name for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Allocated => "allocated",
            Self::Fragmentation => "fragmentation",
            Self::Kept => "kept",
            Self::Metadata => "metadata",
            Self::Stacks => "stacks",
            Self::Anonymous => "anonymous",
            Self::File => "file",
            Self::Shared => "shared",
            Self::Cache => "page_cache",
            Self::Others => "others",
        }
    }

    /// What it is, for people.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Allocated => "heap: allocated and not freed",
            Self::Fragmentation => "heap: unused rest of pages that hold something",
            Self::Kept => "heap: freed, kept by jemalloc for reuse (dirty and muzzy pages)",
            Self::Metadata => "heap: jemalloc's bookkeeping",
            Self::Stacks => "thread stacks",
            Self::Anonymous => "other anonymous memory: mmap of its own, other allocators",
            Self::File => "mapped files, the program among them",
            Self::Shared => "shared memory and tmpfs",
            Self::Cache => "page cache of the container that this process does not map",
            Self::Others => "other processes of the container, and the kernel for them",
        }
    }

    /// Whether it belongs to this process, and not to the cgroup around it.
    pub(crate) const fn is_resident(self) -> bool {
        !matches!(self, Self::Cache | Self::Others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAP: Heap = Heap { allocated: 500, active: 700, resident: 900, metadata: 50, muzzy: 20 };

    #[track_caller]
    fn check(memory: &Memory, expected: &[(Part, u64)]) {
        assert_eq!(memory.parts(), expected);
        let resident: u64 =
            memory.parts().iter().filter(|(part, _)| part.is_resident()).map(|(_, bytes)| bytes).sum();
        assert_eq!(resident, memory.rss());
    }

    #[test]
    fn the_parts_add_up_to_what_is_resident() {
        let stacks = Some(Stacks { bytes: 60, estimated: false });
        let memory =
            Memory { anonymous: 1_000, file: 200, shared: 30, heap: Some(HEAP), ..Memory::default() };
        let heap =
            [(Part::Allocated, 500), (Part::Fragmentation, 200), (Part::Kept, 170), (Part::Metadata, 50)];
        let rest = [(Part::Anonymous, 80), (Part::File, 200), (Part::Shared, 30)];
        check(&memory, &[heap.as_slice(), &rest].concat());
        let with = [(Part::Stacks, 60), (Part::Anonymous, 20), (Part::File, 200), (Part::Shared, 30)];
        check(&Memory { stacks, ..memory.clone() }, &[heap.as_slice(), &with].concat());
        check(
            &Memory { heap: None, ..memory },
            &[(Part::Anonymous, 1_000), (Part::File, 200), (Part::Shared, 30)],
        );
    }

    #[test]
    fn what_was_never_touched_is_not_resident() {
        let memory = Memory { anonymous: 720, heap: Some(HEAP), ..Memory::default() };
        assert_eq!(memory.untouched(), 200);
        let heap =
            [(Part::Allocated, 318), (Part::Fragmentation, 200), (Part::Kept, 170), (Part::Metadata, 32)];
        let none = [(Part::Anonymous, 0), (Part::File, 0), (Part::Shared, 0)];
        check(&memory, &[heap.as_slice(), &none].concat());
        // The stacks are known for sure, so the heap has less.
        let with_stacks = Memory { stacks: Some(Stacks { bytes: 110, estimated: false }), ..memory };
        let heap =
            [(Part::Allocated, 218), (Part::Fragmentation, 200), (Part::Kept, 170), (Part::Metadata, 22)];
        check(&with_stacks, &[heap.as_slice(), &[(Part::Stacks, 110)], &none].concat());
    }

    #[test]
    fn the_container_has_parts_that_are_not_ours() {
        let cgroup = Some(Cgroup { usage: 5_000, cache: 1_200, inactive_file: 900, limit: 9_000 });
        let memory = Memory { anonymous: 1_000, file: 200, cgroup, ..Memory::default() };
        let own = [(Part::Anonymous, 1_000), (Part::File, 200), (Part::Shared, 0)];
        check(&memory, &[own.as_slice(), &[(Part::Cache, 1_000), (Part::Others, 2_800)]].concat());
    }

    #[test]
    fn how_full_it_is() {
        let level = Level { usage: 700, limit: 1_000, room: 100, whose: "" };
        assert!((level.share() - 0.9).abs() < 1e-9);
    }
}
