//! Which part of the memory explains a growth; where there is none, which part is the most. Two readings and nothing
//! else, so it says what grew, not why.

use std::time::Duration;

use super::{Memory, Part};
use crate::Unit;

/// Less growth than this, in bytes, is not explained: the pages that an allocator keeps come and go by as much.
pub(crate) const MIN_GROWTH: u64 = 4 << 20;

/// A part that has this share of the growth is its cause.
const MOST: f64 = 0.6;

/// A part that has this share of it is all of it.
const ALL: f64 = 0.995;

/// A second part below this share is not worth a word.
const WORTH_NAMING: f64 = 0.1;

/// What explains a growth, or a level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) cause: Cause,
    /// By how many bytes all of it grew; `None` when it did not, and the cause is what there is the most of.
    pub(crate) grown: Option<u64>,
    /// The time between the two readings; zero where there is one alone.
    pub(crate) over: Duration,
    /// All of that for people.
    pub(crate) sentence: String,
}

/// The part that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// One part alone.
    One(Part),
    /// No part alone; these two are the largest.
    Mixed(Part, Part),
    /// Nothing is known of it.
    Unknown,
}

/// How two readings differ.
struct Change<'m> {
    before: &'m Memory,
    now: &'m Memory,
    /// By how many bytes all of it grew.
    total: f64,
    /// What has grown, the largest first.
    parts: Vec<(Part, f64)>,
}

impl Verdict {
    /// What explains the growth from `before` to `now`, which lies `over` later.
    pub(crate) fn of(before: &Memory, now: &Memory, over: Duration) -> Self {
        let change = Change::between(before, now);
        if change.total < MIN_GROWTH as f64 {
            return match change.grown_into_kept() {
                Some(grown) => Self {
                    cause: Cause::One(Part::Allocated),
                    grown: Some(grown),
                    over,
                    sentence: format!(
                        "heap growth: {} more are allocated; RSS stands still as yet, because they take up pages that \
                         were freed before",
                        show(grown as f64)
                    ),
                },
                None => Self { over, ..Self::at_rest(now) },
            };
        }
        let cause = change.cause();
        Self { cause, grown: Some(whole(change.total)), over, sentence: change.sentence(cause) }
    }

    /// What there is the most of in `now`, without an earlier reading or without growth.
    pub(crate) fn at_rest(now: &Memory) -> Self {
        let mut parts: Vec<_> = now.parts().into_iter().filter(|(part, _)| part.is_resident()).collect();
        parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let rss = now.rss();
        let (cause, sentence) = match parts.as_slice() {
            [(part, bytes), ..] if rss > 0 => {
                let of = format!("{} of {} resident", show(*bytes as f64), show(rss as f64));
                (
                    Cause::One(*part),
                    format!("no growth; the most is {}{}: {of}", noun(*part), detail(*part, now)),
                )
            }
            _ => (Cause::Unknown, "nothing is known of this process's memory".to_owned()),
        };
        Self { cause, grown: None, over: Duration::ZERO, sentence }
    }

    /// Whether something grew that the kernel cannot take back.
    pub(crate) const fn is_lasting(&self) -> bool {
        self.grown.is_some() && !matches!(self.cause, Cause::One(Part::File | Part::Cache))
    }

    /// Its name for programs, such as `heap` or `mixed`.
    pub(crate) const fn name(&self) -> &'static str {
        match (self.grown, self.cause) {
            (None, _) => "no_growth",
            (Some(_), Cause::One(part)) => part.name(),
            (Some(_), Cause::Mixed(..)) => "mixed",
            (Some(_), Cause::Unknown) => "unknown",
        }
    }
}

impl<'m> Change<'m> {
    /// Of what cannot be had back at once, if that grew; else of all.
    fn between(before: &'m Memory, now: &'m Memory) -> Self {
        let lasting = Self::of(&before.without_inactive(), &now.without_inactive());
        let (total, parts) = if lasting.0 >= MIN_GROWTH as f64 { lasting } else { Self::of(before, now) };
        Self { before, now, total, parts }
    }

    fn of(before: &Memory, now: &Memory) -> (f64, Vec<(Part, f64)>) {
        let then = before.parts();
        // A part that only one reading knows cannot be told from the one it was counted in, and has not grown.
        let grown = |(part, bytes): (Part, u64)| {
            let (_, earlier) = then.iter().find(|(other, _)| *other == part)?;
            Some((part, bytes as f64 - *earlier as f64)).filter(|(_, grown)| *grown > 0.0)
        };
        let mut parts: Vec<_> = now.parts().into_iter().filter_map(grown).collect();
        parts.sort_by(|left, right| right.1.total_cmp(&left.1));
        let own = now.rss() as f64 - before.rss() as f64;
        // Near its limit a cgroup gives up page cache for what grows: then its usage stands still.
        let around = match (before.cgroup, now.cgroup) {
            (Some(before), Some(now)) => now.usage as f64 - before.usage as f64,
            _ => own,
        };
        (own.max(around), parts)
    }

    /// How much more is allocated, when none of it shows in what is resident.
    fn grown_into_kept(&self) -> Option<u64> {
        let (before, now) = (self.before.heap?, self.now.heap?);
        let more = now.allocated.saturating_sub(before.allocated);
        let fewer = before.kept().saturating_sub(now.kept());
        (more >= MIN_GROWTH && fewer * 2 >= more).then_some(more)
    }

    fn cause(&self) -> Cause {
        match self.parts.as_slice() {
            [] => Cause::Unknown,
            [(part, grown), ..] if *grown >= MOST * self.total => Cause::One(*part),
            [(part, _)] => Cause::One(*part),
            [(first, _), (second, _), ..] => Cause::Mixed(*first, *second),
        }
    }

    fn sentence(&self, cause: Cause) -> String {
        let grown =
            |part: Part| self.parts.iter().find(|(other, _)| *other == part).map_or(0.0, |(_, grown)| *grown);
        let total = show(self.total);
        let of_total = |part| match grown(part) {
            grown if grown >= ALL * self.total => format!("all of the {total} growth"),
            grown => format!("{} of the {total} growth", show(grown)),
        };
        match cause {
            Cause::Unknown => format!("unclear: memory grew by {total}, and no part of it is known to"),
            Cause::Mixed(first, second) => format!(
                "mixed: of the {total} growth {} are {} and {} {}",
                show(grown(first)),
                noun(first),
                show(grown(second)),
                noun(second)
            ),
            Cause::One(part) => {
                let text = self.of_one(part, &of_total(part));
                let second = self
                    .parts
                    .iter()
                    .find(|(other, grown)| *other != part && *grown >= WORTH_NAMING * self.total);
                second.map_or(text.clone(), |(other, grown)| {
                    format!("{text}; {} are {}", show(*grown), noun(*other))
                })
            }
        }
    }

    fn of_one(&self, part: Part, of_total: &str) -> String {
        let detail = detail(part, self.now);
        match part {
            Part::Allocated => format!("heap growth: {of_total} is allocated and not freed"),
            Part::Fragmentation => format!("fragmentation{detail}; {of_total}"),
            Part::Kept => {
                format!("freed memory that jemalloc keeps for reuse (dirty pages), no leak: {of_total}")
            }
            Part::Metadata => format!("jemalloc's bookkeeping: {of_total}"),
            Part::Stacks => {
                let more = self.now.threads.saturating_sub(self.before.threads);
                let more = if more > 0 { format!(", {more} more") } else { String::new() };
                format!("thread stacks, not the heap ({} threads{more}): {of_total}", self.now.threads)
            }
            Part::Anonymous if self.now.heap.is_none() => {
                format!(
                    "anonymous memory: {of_total}; the heap is in it, and cannot be told from the rest without jemalloc"
                )
            }
            Part::Anonymous => format!("not the heap: {of_total} is other anonymous memory{detail}"),
            Part::File => format!(
                "mapped files, not the heap: {of_total}; the kernel can take back what was not written to"
            ),
            Part::Shared => format!("shared memory or tmpfs, not the heap: {of_total}"),
            Part::Cache => {
                format!("page cache, not you: {of_total}; the kernel takes it back when it is needed{detail}")
            }
            Part::Others => {
                format!(
                    "not this process: {of_total} is other processes of the container, or the kernel's for them"
                )
            }
        }
    }
}

/// What makes a part clear at a glance.
fn detail(part: Part, now: &Memory) -> String {
    match (part, now.heap, now.cgroup) {
        (Part::Fragmentation, Some(heap), _) => {
            format!(": active {} for {} allocated", show(heap.active as f64), show(heap.allocated as f64))
        }
        (Part::Anonymous, Some(_), _) if now.stacks.is_none() => {
            format!(" (mmap of its own, another allocator, or the stacks of {} threads)", now.threads)
        }
        (Part::Anonymous, Some(_), _) => " (mmap of its own, or another allocator)".to_owned(),
        (Part::Stacks, ..) => format!(" ({} threads)", now.threads),
        (Part::Cache, _, Some(cgroup)) => format!(", {} at once", show(cgroup.inactive_file as f64)),
        _ => String::new(),
    }
}

/// A part in the middle of a sentence.
const fn noun(part: Part) -> &'static str {
    match part {
        Part::Allocated => "allocated",
        Part::Fragmentation => "fragmentation",
        Part::Kept => "freed and kept by jemalloc",
        Part::Metadata => "jemalloc's bookkeeping",
        Part::Stacks => "thread stacks",
        Part::Anonymous => "other anonymous memory",
        Part::File => "mapped files",
        Part::Shared => "shared memory",
        Part::Cache => "page cache",
        Part::Others => "other processes and the kernel",
    }
}

fn show(bytes: f64) -> String {
    Unit::Bytes.show(bytes)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
const fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::super::{Cgroup, Heap, Stacks};
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A service of 100 MiB: 60 allocated, 10 fragmented, 8 kept, 2 metadata, 5 stacks, 5 other, 10 file.
    fn service() -> Memory {
        let heap =
            Heap { allocated: 60 * MIB, active: 70 * MIB, resident: 80 * MIB, metadata: 2 * MIB, muzzy: 0 };
        Memory {
            anonymous: 90 * MIB,
            file: 10 * MIB,
            threads: 12,
            heap: Some(heap),
            stacks: Some(Stacks { bytes: 5 * MIB, estimated: false }),
            ..Memory::default()
        }
    }

    /// The service after its heap has changed by so many MiB of each kind.
    fn heap(allocated: u64, fragmented: u64, kept: u64) -> Memory {
        let mut now = service();
        now.heap = now.heap.map(|heap| Heap {
            allocated: heap.allocated + allocated * MIB,
            active: heap.active + (allocated + fragmented) * MIB,
            resident: heap.resident + (allocated + fragmented + kept) * MIB,
            ..heap
        });
        now.anonymous += (allocated + fragmented + kept) * MIB;
        now
    }

    fn in_container(memory: Memory, cache: u64, others: u64) -> Memory {
        let usage = memory.rss() + (cache + others) * MIB;
        let cache = memory.file + cache * MIB;
        Memory {
            cgroup: Some(Cgroup { usage, cache, inactive_file: cache / 2, limit: 4096 * MIB }),
            ..memory
        }
    }

    #[track_caller]
    fn check(before: &Memory, now: &Memory, cause: &str, sentence: &str) {
        let verdict = Verdict::of(before, now, Duration::from_secs(600));
        assert_eq!((verdict.name(), verdict.sentence.as_str()), (cause, sentence));
    }

    #[test]
    fn growth_of_the_heap() {
        let check = |now: &Memory, cause, sentence| check(&service(), now, cause, sentence);
        check(
            &heap(110, 10, 0),
            "allocated",
            "heap growth: 110 MiB of the 120 MiB growth is allocated and not freed",
        );
        check(
            &heap(10, 110, 0),
            "fragmentation",
            "fragmentation: active 190 MiB for 70 MiB allocated; 110 MiB of the 120 MiB growth",
        );
        check(
            &heap(5, 0, 90),
            "kept",
            "freed memory that jemalloc keeps for reuse (dirty pages), no leak: 90 MiB of the 95 MiB growth",
        );
        check(
            &heap(50, 48, 2),
            "mixed",
            "mixed: of the 100 MiB growth 50 MiB are allocated and 48 MiB fragmentation",
        );
        check(
            &heap(70, 30, 0),
            "allocated",
            "heap growth: 70 MiB of the 100 MiB growth is allocated and not freed; 30 MiB are fragmentation",
        );
    }

    #[test]
    fn growth_beside_the_heap() {
        let grown = |grow: fn(&mut Memory)| {
            let mut now = service();
            grow(&mut now);
            now
        };
        let check = |grow, cause, sentence| check(&service(), &grown(grow), cause, sentence);
        check(
            |now| {
                now.anonymous += 40 * MIB;
                now.threads = 812;
                now.stacks = Some(Stacks { bytes: 45 * MIB, estimated: false });
            },
            "stacks",
            "thread stacks, not the heap (812 threads, 800 more): all of the 40 MiB growth",
        );
        check(
            |now| now.anonymous += 40 * MIB,
            "anonymous",
            "not the heap: all of the 40 MiB growth is other anonymous memory (mmap of its own, or another allocator)",
        );
        check(
            |now| now.file += 40 * MIB,
            "file",
            "mapped files, not the heap: all of the 40 MiB growth; the kernel can take back what was not written to",
        );
        check(
            |now| now.shared += 40 * MIB,
            "shared",
            "shared memory or tmpfs, not the heap: all of the 40 MiB growth",
        );
    }

    #[test]
    fn growth_around_the_process() {
        let before = in_container(service(), 100, 50);
        // Of the cache half is inactive: what is left of the growth without it counts.
        check(
            &before,
            &in_container(service(), 900, 50),
            "page_cache",
            "page cache, not you: all of the 400 MiB growth; the kernel takes it back when it is needed, 455 MiB at once",
        );
        let read_once = |others| {
            let mut now = in_container(service(), 900, others);
            now.cgroup = now.cgroup.map(|cgroup| Cgroup { inactive_file: 55 * MIB + 800 * MIB, ..cgroup });
            now
        };
        check(
            &before,
            &read_once(50),
            "page_cache",
            "page cache, not you: all of the 800 MiB growth; the kernel takes it back when it is needed, 855 MiB at once",
        );
        check(
            &before,
            &read_once(150),
            "others",
            "not this process: all of the 100 MiB growth is other processes of the container, or the kernel's for them",
        );
        check(
            &before,
            &in_container(service(), 100, 250),
            "others",
            "not this process: all of the 200 MiB growth is other processes of the container, or the kernel's for them",
        );
        // At its limit the cgroup gives up cache for the heap: it does not grow, and the heap still does.
        check(
            &before,
            &in_container(heap(100, 0, 0), 0, 50),
            "allocated",
            "heap growth: all of the 100 MiB growth is allocated and not freed",
        );
    }

    #[test]
    fn no_growth_tells_what_there_is_the_most_of() {
        check(
            &service(),
            &service(),
            "no_growth",
            "no growth; the most is allocated: 60 MiB of 100 MiB resident",
        );
        check(
            &heap(50, 0, 0),
            &service(),
            "no_growth",
            "no growth; the most is allocated: 60 MiB of 100 MiB resident",
        );
        let fragmented = heap(0, 400, 0);
        check(
            &fragmented,
            &fragmented,
            "no_growth",
            "no growth; the most is fragmentation: active 470 MiB for 60 MiB allocated: 410 MiB of 500 MiB resident",
        );
        let nothing = Memory::default();
        check(&nothing, &nothing, "no_growth", "nothing is known of this process's memory");
    }

    #[test]
    fn a_heap_that_grows_into_freed_pages_is_seen_before_rss_moves() {
        let before = heap(0, 0, 50);
        let mut now = heap(50, 0, 0);
        now.anonymous = before.anonymous;
        let sentence = "heap growth: 50 MiB more are allocated; RSS stands still as yet, because they take up pages that \
                        were freed before";
        check(&before, &now, "allocated", sentence);
    }

    #[test]
    fn without_jemalloc_it_says_what_it_cannot_tell() {
        let plain = |memory: Memory| Memory { heap: None, stacks: None, ..memory };
        check(
            &plain(service()),
            &plain(heap(50, 0, 0)),
            "anonymous",
            "anonymous memory: all of the 50 MiB growth; the heap is in it, and cannot be told from the rest without \
             jemalloc",
        );
    }
}
