//! Where tokio keeps what about a task, learned from probes. Each fact must hold of every probe and at one place alone; no
//! number of tokio's source is taken on trust but the state words, and they are checked too.

use std::collections::HashMap;

use super::image::Image;
use super::probe::{Fact, HEADER, RUNTIMES};
use super::refusal::{Refusal, only};
use super::view::Memory;

/// The most words of a vtable.
const VTABLE: usize = 16;

/// The least functions of a vtable: poll, schedule, dealloc, read output, drop and shut down.
const FUNCTIONS: usize = 5;

/// The largest offset within a task that is believed.
const FAR: u64 = 1 << 24;

/// How many words of a trailer are looked at: two links and what is before or between them.
const TRAILER: usize = 3;

/// How many words of a runtime's insides are looked at.
pub(super) const INSIDES: usize = 512;

/// Where what is; offsets in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// In the header: the state, the vtable, the number of the list.
    pub(super) state: usize,
    pub(super) vtable: usize,
    pub(super) owner: usize,
    /// How many words of a vtable are functions, and which words tell where the id, the runtime and the trailer are.
    pub(super) functions: usize,
    pub(super) id: usize,
    pub(super) scheduler: usize,
    pub(super) trailer: usize,
    /// In the trailer: the task spawned before this one, and the one after.
    pub(super) older: usize,
    pub(super) newer: usize,
    /// Where the future is, when that is known.
    pub(super) future: Option<FutureAt>,
    pub(super) list: ListShape,
}

/// Where a task's future is: behind the id, what the build puts there, and the tag that tells it from its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FutureAt {
    /// How many bytes there are between the id and the tag, unless the future's alignment asks for more.
    gap: u64,
    /// How many bytes the least output takes, which is an error or nothing.
    least: u64,
}

/// How much more a future's output may be aligned than the future.
const ALIGNS: [u64; 4] = [16, 32, 64, 128];

/// By how many bytes a wrapper may be larger than the future in it.
const AROUND: [u64; 11] = [8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88];

/// How a runtime keeps its lists: pieces ("shards") of this size in an array, with the addresses of the newest and of the
/// oldest task in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListShape {
    pub(super) size: u64,
    pub(super) newest: u64,
    pub(super) oldest: u64,
    /// From the array's address within the runtime's insides to the list's number, in words.
    pub(super) owner: isize,
}

/// What of a vtable is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vtable {
    pub(super) id: u64,
    pub(super) trailer: u64,
}

/// A probe and what is read of it.
struct Seen<'f> {
    fact: &'f Fact,
    header: [u64; HEADER],
}

impl Layout {
    /// Learns it all; `handles` are the words of each runtime's handle.
    pub(super) fn learn(
        memory: &impl Memory,
        image: &Image,
        facts: &[Fact],
        handles: &[Vec<u64>],
    ) -> Result<Self, Refusal> {
        let seen: Vec<_> =
            facts.iter().filter_map(|fact| Some(Seen { fact, header: memory.words(fact.header)? })).collect();
        let kinds = seen.iter().map(|seen| seen.fact.kind).max().map_or(0, |most| most + 1);
        if seen.len() < facts.len() || kinds < 2 || handles.len() < RUNTIMES {
            return Err(Refusal::Layout { what: "probe", found: seen.len() });
        }
        let vtable = only("the table of functions", (0..HEADER).filter(|at| is_vtable(&seen, *at, image)))?;
        let owner = only("the list's number", (0..HEADER).filter(|at| is_owner(&seen, *at)))?;
        let state = only("the state", (0..HEADER).filter(|at| is_state(&seen, *at)))?;
        let tables = Tables::read(memory, image, &seen, vtable)?;
        let id = only("the id", tables.numbers().filter(|at| tables.is_id(memory, &seen, *at)))?;
        let scheduler = only(
            "the runtime",
            tables.numbers().filter(|at| tables.is_scheduler(memory, &seen, *at, handles)),
        )?;
        let links = tables
            .numbers()
            .filter(|at| ![id, scheduler].contains(at))
            .flat_map(|at| pairs(TRAILER).map(move |(newer, older)| (at, newer, older)));
        let shards = [1, 2, 4, 8];
        let links = links.flat_map(|(at, newer, older)| shards.map(|shards| (at, newer, older, shards)));
        let is_links = |(at, newer, older, shards): &(usize, usize, usize, u64)| {
            tables.is_links(memory, &seen, *at, (*newer, *older), *shards)
        };
        let (trailer, newer, older, shards) = only("the links between tasks", links.filter(is_links))?;
        let list = list(memory, &seen, &tables.schedulers(memory, &seen, scheduler), owner, shards)?;
        Ok(Self {
            state: state * 8,
            vtable: vtable * 8,
            owner: owner * 8,
            functions: tables.functions,
            id: id * 8,
            scheduler: scheduler * 8,
            trailer: trailer * 8,
            older: older * 8,
            newer: newer * 8,
            future: future(memory, &seen, &tables, [id, trailer]),
            list,
        })
    }

    /// How many bytes of a header hold all that is read of it.
    pub(super) fn header_len(&self) -> usize {
        self.state.max(self.vtable).max(self.owner) + 8
    }

    /// The vtable at `at`, if it is one, and its functions.
    pub(super) fn vtable(&self, memory: &impl Memory, image: &Image, at: u64) -> Option<(Vtable, Vec<u64>)> {
        let words = image.is_constant(at).then(|| memory.words::<VTABLE>(at))??;
        let functions = words.iter().take_while(|word| image.is_code(**word)).count();
        let number = |at: usize| words.get(at / 8).copied().filter(|number| *number < FAR && number % 8 == 0);
        (functions == self.functions).then_some(())?;
        let table = Vtable { id: number(self.id)?, trailer: number(self.trailer)? };
        Some((table, words.into_iter().take(functions).collect()))
    }
}

impl FutureAt {
    /// Where the tag and the future are in a task with this vtable, of a future of this size and alignment. `None` when that cannot be told: it shares its
    /// place with its output, of which the plan knows nothing, and which may be more aligned. What is behind both says so,
    /// unless the output is larger, too.
    pub(super) fn at(self, table: Vtable, size: u64, align: u64) -> Option<(u64, u64)> {
        let ends = |align: u64| self.end(table.id, size, align) == table.trailer;
        let aligned_to_more = !ends(align) && ALIGNS.into_iter().any(|more| more > align && ends(more));
        (!aligned_to_more).then(|| self.of(table.id, align))
    }

    /// Where the tag and the future are, from the header on, in a task with its id at `id` and a future aligned to `align`.
    /// The future shares its place with its output, which may be an error, so that it is aligned to a word at least.
    fn of(self, id: u64, align: u64) -> (u64, u64) {
        let align = align.max(8);
        let tag = (id + 8 + self.gap).next_multiple_of(align);
        (tag, tag + align)
    }

    /// Where a future of this size ends, and what comes behind it begins.
    fn end(self, id: u64, size: u64, align: u64) -> u64 {
        (self.of(id, align).1 + size.max(self.least)).next_multiple_of(align.max(8))
    }
}

/// The same for all probes of a type, another for each type, and in a place that nobody writes to.
fn is_vtable(seen: &[Seen<'_>], at: usize, image: &Image) -> bool {
    let mut of_kind = HashMap::new();
    seen.iter().all(|seen| {
        let word = seen.header.get(at).copied().unwrap_or(0);
        image.is_constant(word) && *of_kind.entry(seen.fact.kind).or_insert(word) == word
    }) && is_distinct(of_kind.into_values())
}

/// A small number, the same for all probes of a runtime, another for each runtime.
fn is_owner(seen: &[Seen<'_>], at: usize) -> bool {
    let mut of_runtime = HashMap::new();
    seen.iter().all(|seen| {
        let word = seen.header.get(at).copied().unwrap_or(0);
        (1..1 << 32).contains(&word) && *of_runtime.entry(seen.fact.runtime).or_insert(word) == word
    }) && is_distinct(of_runtime.into_values())
}

/// The word that each probe's state must be, now and as it was polled.
fn is_state(seen: &[Seen<'_>], at: usize) -> bool {
    seen.iter().all(|seen| {
        seen.header.get(at) == Some(&seen.fact.state)
            && seen.fact.polled.get(at) == Some(&seen.fact.state_polled)
    })
}

fn is_distinct(words: impl Iterator<Item = u64>) -> bool {
    let mut words: Vec<u64> = words.collect();
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    words.len() == all && all > 1
}

fn pairs(below: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..below)
        .flat_map(move |one| (0..below).map(move |other| (one, other)))
        .filter(|(one, other)| one != other)
}

/// The vtables of the probes: functions first, then offsets into the task.
struct Tables {
    of_kind: HashMap<usize, [u64; VTABLE]>,
    functions: usize,
    numbers: usize,
}

impl Tables {
    fn read(memory: &impl Memory, image: &Image, seen: &[Seen<'_>], vtable: usize) -> Result<Self, Refusal> {
        let mut of_kind = HashMap::new();
        for seen in seen {
            let at = seen.header.get(vtable).copied().unwrap_or(0);
            of_kind.insert(seen.fact.kind, memory.words::<VTABLE>(at).unwrap_or_default());
        }
        let functions = |words: &[u64; VTABLE]| words.iter().take_while(|word| image.is_code(**word)).count();
        let numbers = |words: &[u64; VTABLE]| {
            words.iter().skip(functions(words)).take_while(|word| **word < FAR).count()
        };
        let same = |count: &dyn Fn(&[u64; VTABLE]) -> usize| {
            let mut counts: Vec<usize> = of_kind.values().map(count).collect();
            counts.sort_unstable();
            counts.dedup();
            counts
        };
        let all = same(&functions).into_iter().filter(|count| (FUNCTIONS..VTABLE).contains(count));
        let functions = only("the length of the table of functions", all)?;
        // Behind the last of them may be anything, so the least of all tables counts.
        let numbers = same(&numbers).first().copied().unwrap_or(0);
        Ok(Self { of_kind, functions, numbers })
    }

    /// The words that may be offsets.
    fn numbers(&self) -> impl Iterator<Item = usize> + use<> {
        self.functions..self.functions + self.numbers
    }

    /// Where in the task `seen` word `at` of its vtable points to.
    fn place(&self, seen: &Seen<'_>, at: usize) -> u64 {
        let offset = self.of_kind.get(&seen.fact.kind).and_then(|words| words.get(at)).copied().unwrap_or(0);
        seen.fact.header.wrapping_add(offset)
    }

    fn is_id(&self, memory: &impl Memory, seen: &[Seen<'_>], at: usize) -> bool {
        seen.iter().all(|seen| memory.word(self.place(seen, at)) == Some(seen.fact.id))
    }

    /// A pointer that the runtime's handle has too.
    fn is_scheduler(&self, memory: &impl Memory, seen: &[Seen<'_>], at: usize, handles: &[Vec<u64>]) -> bool {
        let pointers = self.schedulers(memory, seen, at);
        let of_handle = |(runtime, pointer): (&usize, &u64)| {
            handles.get(*runtime).is_some_and(|words| words.contains(pointer))
        };
        pointers.iter().all(of_handle)
            && is_distinct(pointers.values().copied())
            && seen
                .iter()
                .all(|seen| memory.word(self.place(seen, at)) == pointers.get(&seen.fact.runtime).copied())
    }

    /// The runtimes' insides, by the probes.
    fn schedulers(&self, memory: &impl Memory, seen: &[Seen<'_>], at: usize) -> HashMap<usize, u64> {
        seen.iter().filter_map(|seen| Some((seen.fact.runtime, memory.word(self.place(seen, at))?))).collect()
    }

    /// True when the words `newer` and `older` of the trailer link every probe with its neighbors in the list.
    fn is_links(
        &self,
        memory: &impl Memory,
        seen: &[Seen<'_>],
        at: usize,
        (newer, older): (usize, usize),
        shards: u64,
    ) -> bool {
        lists(seen, shards).values().all(|list| {
            let around = |place: usize, by: isize| {
                let place = place.checked_add_signed(by)?;
                list.get(place).map(|seen| seen.fact.header)
            };
            list.iter().enumerate().all(|(place, seen)| {
                let word = |word: usize| memory.word(self.place(seen, at).wrapping_add(word as u64 * 8));
                word(newer) == Some(around(place, 1).unwrap_or(0))
                    && word(older) == Some(around(place, -1).unwrap_or(0))
            })
        })
    }
}

/// The probes of each runtime by their place in `shards` lists, the oldest first.
fn lists<'s, 'f>(seen: &'s [Seen<'f>], shards: u64) -> HashMap<(usize, u64), Vec<&'s Seen<'f>>> {
    let mut lists: HashMap<_, Vec<_>> = HashMap::new();
    for seen in seen {
        lists.entry((seen.fact.runtime, seen.fact.id % shards)).or_default().push(seen);
    }
    lists.values_mut().for_each(|list| list.sort_by_key(|seen| seen.fact.id));
    lists
}

/// Where in the runtimes' insides their lists are.
fn list(
    memory: &impl Memory,
    seen: &[Seen<'_>],
    runtimes: &HashMap<usize, u64>,
    owner: usize,
    shards: u64,
) -> Result<ListShape, Refusal> {
    let mut shapes: Option<Vec<(usize, ListShape)>> = None;
    for (runtime, inside) in runtimes {
        let words = memory.words_from(*inside, INSIDES);
        let ends: Vec<(u64, u64, u64)> = lists(seen, shards)
            .into_iter()
            .filter(|((of, _), _)| of == runtime)
            .filter_map(|((_, shard), list)| {
                Some((shard, list.last()?.fact.header, list.first()?.fact.header))
            })
            .collect();
        let number = seen.iter().find(|seen| seen.fact.runtime == *runtime);
        let number = number.and_then(|seen| seen.header.get(owner)).copied().unwrap_or(0);
        let found: Vec<_> = arrays(&words, shards)
            .flat_map(|(at, array)| {
                sizes().map(move |(size, (newest, oldest))| (at, array, size, newest, oldest))
            })
            .filter(|(_, array, size, newest, oldest)| {
                let word = |shard: u64, place: u64| memory.word(array.wrapping_add(shard * size + place));
                ends.iter().all(|(shard, first, last)| {
                    word(*shard, *newest) == Some(*first) && word(*shard, *oldest) == Some(*last)
                })
            })
            .flat_map(|(at, _, size, newest, oldest)| {
                let owners = words.iter().enumerate().filter(|(_, word)| **word == number);
                let owners: Vec<_> = owners.map(|(place, _)| place.wrapping_sub(at).cast_signed()).collect();
                owners.into_iter().map(move |owner| (at, ListShape { size, newest, oldest, owner }))
            })
            .collect();
        shapes = Some(match shapes {
            None => found,
            Some(before) => before.into_iter().filter(|shape| found.contains(shape)).collect(),
        });
    }
    let shapes = shapes.unwrap_or_default();
    // The list's number may stand at more than one place; the one beside the list is its own.
    let nearest = shapes.iter().map(|(_, shape)| shape.owner.unsigned_abs()).min();
    let near = shapes.iter().filter(|(_, shape)| Some(shape.owner.unsigned_abs()) == nearest);
    only("the runtime's lists", near.map(|(_, shape)| *shape))
}

/// The words that may be the address of an array of `shards` lists: the length follows.
fn arrays(words: &[u64], shards: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
    words.windows(2).enumerate().filter_map(move |(at, pair)| match pair {
        [array, length] if *length == shards && *array % 8 == 0 && *array > 4_096 => Some((at, *array)),
        _ => None,
    })
}

/// How large an element of the array may be, and where in it the newest task's address is and the oldest's.
fn sizes() -> impl Iterator<Item = (u64, (u64, u64))> + Clone {
    let places =
        |size: usize| pairs(size / 8).map(move |(newest, oldest)| (newest as u64 * 8, oldest as u64 * 8));
    [16, 24, 32, 40, 48, 64]
        .into_iter()
        .flat_map(move |size| places(size).map(move |places| (size as u64, places)))
}

/// Where the probes' futures are, by one rule for all of them. The output of each is nothing. With its feature `tracing` tokio
/// wraps every future in one that is larger by as many bytes; which of the two parts comes first is the compiler's choice,
/// for each type anew.
fn future(
    memory: &impl Memory,
    seen: &[Seen<'_>],
    tables: &Tables,
    [id, trailer]: [usize; 2],
) -> Option<FutureAt> {
    let place = |seen: &Seen<'_>, at: usize| tables.place(seen, at).wrapping_sub(seen.fact.header);
    let fits = |at: &FutureAt, around: u64| {
        seen.iter().all(|seen| {
            let Fact { header, future, size, align, .. } = *seen.fact;
            let id = place(seen, id);
            let (tag, whole) = at.of(id, align);
            let of_tag = memory.word(header.wrapping_add(tag)).map(|word| word & u64::from(u32::MAX));
            let before = future.wrapping_sub(header).wrapping_sub(whole);
            before <= around.next_multiple_of(align.max(8))
                && of_tag == Some(0)
                && at.end(id, size + around, align) == place(seen, trailer)
        })
    };
    let gaps = [0, 8, 16].into_iter();
    let all = gaps.clone().flat_map(|gap| [0, 8, 16, 24, 32, 40, 48].map(|least| FutureAt { gap, least }));
    let plain = only("the future", all.filter(|at| fits(at, 0)));
    if !matches!(plain, Err(Refusal::Layout { found: 0, .. })) {
        return plain.ok();
    }
    // What is wrapped is larger than the least output.
    let wrapped = gaps.map(|gap| FutureAt { gap, least: 0 });
    let wrapped = wrapped.filter(|at| AROUND.into_iter().any(|around| fits(at, around)));
    only("the future", wrapped).ok()
}
