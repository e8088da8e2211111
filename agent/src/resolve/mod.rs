//! Gives a profile names: addresses become functions, files and lines. The one place that knows both the profile
//! and the symbolizer.

mod elsewhere;
mod slices;
mod turns;

use std::collections::HashMap;
use std::path::Path;

use flamewatch_symbolizer::{Addr, CacheStats, Frame as Answer, ModuleMap, Symbolizer};

use self::slices::in_slices;
use self::turns::Turns;
use crate::Unit;
use crate::profile::{Frame, Function, Mapping, Owner, Profile};

/// How much of the debug info is held at a time, in bytes: between two pieces the symbolizer lets others go first, and
/// a piece of this size takes about a millisecond.
const WINDOW: usize = 512 << 10;

/// Names profiles of this process, and remembers what it has named. Shared by whoever wants names: it works in slices,
/// one at a time, and who wants few names goes before who wants many.
#[derive(Debug)]
pub(crate) struct Resolver {
    symbolizer: Symbolizer,
    turns: Turns,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::looking_in(None)
    }
}

impl Resolver {
    /// A resolver that also looks for separate debug files in `debug_dir`.
    pub(crate) fn looking_in(debug_dir: Option<&Path>) -> Self {
        let builder = Symbolizer::builder().window(WINDOW);
        let builder = debug_dir.into_iter().fold(builder, |builder, dir| builder.debug_dir(dir));
        Self { symbolizer: builder.build(), turns: Turns::default() }
    }

    /// From here on unpacks compressed debug info into at most `bytes` of memory a file where there is no disk to
    /// unpack it to. A file that needs more gives names from its symbol table.
    pub(crate) fn limit_memory(&self, bytes: u64) {
        self.symbolizer.set_memory_budget(bytes);
    }

    /// The same profile with every address named, as far as that is possible now. What has no name becomes
    /// `module+offset` and counts in [`Losses::unresolved`](crate::profile::Losses::unresolved). Naming
    /// twice is naming once. Once `canceled`, nobody wants the profile any more, and the rest of it stays as it is.
    ///
    /// What is mapped is looked at anew each time, so libraries loaded after the start have names too.
    pub(crate) fn name(&self, profile: &Profile, canceled: impl Fn() -> bool) -> Profile {
        let map = ModuleMap::current().unwrap_or_default();
        let (mut found, mut unnamed) = (HashMap::new(), 0);
        self.each(&map, profile.frames().filter_map(address), canceled, |address, answer| {
            unnamed += u64::from(!is_named(answer));
            found.insert(address, functions(&map, address, answer));
        });
        let has_addresses = !found.is_empty();
        let mut named = profile.map_frames(|frame| {
            address(frame).and_then(|address| found.remove(&address)).unwrap_or_else(|| vec![frame.clone()])
        });
        named.losses.unresolved = named.losses.unresolved.saturating_add(unnamed);
        if named.mappings.is_empty() || has_addresses {
            named.mappings = mappings(&map);
        }
        named
    }

    /// The same profile with what it takes to name it in another run: which file is mapped where. Names nothing.
    pub(crate) fn with_mappings(&self, mut profile: Profile) -> Profile {
        profile.mappings = mappings(&ModuleMap::current().unwrap_or_default());
        profile
    }

    /// The same profile, taken by another run of this program, with the addresses of this one.
    pub(crate) fn moved_here(&self, profile: &Profile) -> Profile {
        elsewhere::moved_here(profile, &ModuleMap::current().unwrap_or_default())
    }

    /// The name of the function each of `addresses` stands in; `None` where there is no name. Where some were inlined, the
    /// innermost that is not std's or the allocator's: who asks shows one name for an address, and `Vec::push` says
    /// nothing. The addresses are taken as they are: no return addresses.
    pub(crate) fn lookup(&self, addresses: &[u64], canceled: impl Fn() -> bool) -> Vec<Option<String>> {
        let map = ModuleMap::current().unwrap_or_default();
        let mut names = HashMap::new();
        self.each(&map, addresses.iter().copied().map(Addr::Pc), canceled, |address, answer| {
            let module = map.lookup(address.raw()).map_or("", |(module, _)| module.name());
            let says =
                |frame: &&Answer| !matches!(frame.origin_in(module).owner, Owner::Allocator | Owner::Std);
            let told = answer.iter().find(says).or_else(|| answer.first()).filter(|frame| frame.is_named());
            names.insert(address.raw(), told.map(|frame| frame.name.to_string()));
        });
        addresses.iter().map(|address| names.get(address).cloned().flatten()).collect()
    }

    /// What is remembered.
    pub(crate) fn remembered(&self) -> CacheStats {
        self.symbolizer.cache_stats()
    }

    /// The same in words.
    pub(crate) fn summary(&self) -> String {
        let stats = self.remembered();
        let size = Unit::Bytes.show(stats.bytes as f64);
        format!(
            "{} addresses in {size}, used {} times, {} forgotten",
            stats.addresses, stats.used, stats.forgotten
        )
    }

    /// Tells the frames at each of `addresses`, every one once and in no order of theirs.
    fn each(
        &self,
        map: &ModuleMap,
        addresses: impl Iterator<Item = Addr>,
        canceled: impl Fn() -> bool,
        mut tell: impl FnMut(Addr, &[Answer]),
    ) {
        in_slices(&self.turns, addresses, canceled, |slice| {
            let answers = self.symbolizer.resolve(map, slice);
            slice.iter().zip(answers.iter()).for_each(|(address, answer)| tell(*address, answer));
        });
    }
}

fn address(frame: &Frame) -> Option<Addr> {
    match frame {
        Frame::Address(address) => Some(*address),
        _ => None,
    }
}

fn is_named(answer: &[Answer]) -> bool {
    answer.iter().any(Answer::is_named)
}

fn functions(map: &ModuleMap, address: Addr, answer: &[Answer]) -> Vec<Frame> {
    let module = map.lookup(address.lookup()).map_or("", |(module, _)| module.name());
    let functions = answer.iter().map(|frame| Function {
        name: frame.name.to_string(),
        system_name: frame.mangled.to_string(),
        file: frame.file.to_string(),
        line: frame.line,
        address: address.lookup(),
        inlined: frame.inlined,
        owner: frame.origin_in(module).owner,
    });
    functions.map(Frame::named).collect()
}

fn mappings(map: &ModuleMap) -> Vec<Mapping> {
    let segments = map.modules().iter().flat_map(|module| {
        module.segments.iter().map(|segment| Mapping {
            start: segment.start,
            end: segment.end,
            file_offset: segment.file_offset,
            path: module.path.clone(),
            build_id: module.build_id.clone(),
        })
    });
    segments.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::ValueType;

    #[inline(never)]
    fn checkout(items: u64) -> u64 {
        items + 1
    }

    #[inline(never)]
    fn refund(items: u64) -> u64 {
        items - 1
    }

    fn here(function: fn(u64) -> u64) -> u64 {
        function as usize as u64
    }

    fn profile(stacks: &[&[Frame]]) -> Profile {
        let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
        for stack in stacks {
            profile.add(stack.iter().cloned(), &[100], 1);
        }
        profile
    }

    /// How many addresses are remembered, were used again, and were forgotten.
    fn remembered(resolver: &Resolver) -> (usize, u64, u64) {
        let stats = resolver.symbolizer.cache_stats();
        (stats.addresses, stats.used, stats.forgotten)
    }

    fn only_function(profile: &Profile, index: usize) -> Function {
        match profile.frames().nth(index) {
            Some(Frame::Named(function)) => (**function).clone(),
            other => panic!("not named: {other:?}"),
        }
    }

    #[test]
    fn addresses_become_functions_with_places() {
        let resolver = Resolver::default();
        let pc = Frame::Address(Addr::Pc(here(checkout)));
        let inside = Frame::Address(Addr::Return(here(refund) + 4));
        let label = Frame::label("thread", "main");
        let named = resolver.name(&profile(&[&[pc, inside, label.clone()]]), || false);

        let (checkout_is, refund_is) = (only_function(&named, 0), only_function(&named, 1));
        assert!(checkout_is.name.ends_with("resolve::tests::checkout"), "{checkout_is:?}");
        assert!(refund_is.name.ends_with("resolve::tests::refund"), "{refund_is:?}");
        assert!(checkout_is.file.ends_with("resolve/mod.rs") && checkout_is.line > 0, "{checkout_is:?}");
        assert!(checkout_is.line < refund_is.line);
        assert!(checkout_is.system_name.starts_with("_R") || checkout_is.system_name.starts_with("_Z"));
        assert_eq!((checkout_is.address, checkout_is.inlined), (here(checkout), false));
        assert_eq!(refund_is.address, here(refund) + 3, "inside of the call, as readers expect it");
        assert_eq!(named.frames().last(), Some(&label));
        assert_eq!((named.total(0), named.losses.unresolved), (100, 0));
    }

    #[test]
    fn functions_say_whose_they_are_also_where_only_their_library_tells() {
        let getpid = Frame::Address(Addr::Pc(libc::getpid as *const () as u64));
        let own = Frame::Address(Addr::Pc(here(checkout)));
        let named = Resolver::default().name(&profile(&[&[getpid, own]]), || false);
        let (getpid, own) = (only_function(&named, 0), only_function(&named, 1));
        assert_eq!((getpid.owner, own.owner), (Owner::System, Owner::Flamewatch), "{getpid:?}, {own:?}");
    }

    #[test]
    fn the_executable_segments_are_the_mappings() {
        let named =
            Resolver::default().name(&profile(&[&[Frame::Address(Addr::Pc(here(checkout)))]]), || false);
        let own = std::env::current_exe().expect("a path");
        let mapping = named
            .mappings
            .iter()
            .find(|mapping| mapping.start <= here(checkout) && here(checkout) < mapping.end);
        let mapping = mapping.expect("our own segment");
        assert_eq!(mapping.path, own.to_str().expect("UTF-8"));
        assert!(mapping.build_id.len() >= 16, "{mapping:?}");
        assert!(named.mappings.len() >= 2, "the C library has one too");
    }

    #[test]
    fn naming_twice_is_naming_once() {
        let resolver = Resolver::default();
        let raw = profile(&[
            &[Frame::Address(Addr::Pc(here(checkout))), Frame::Address(Addr::Return(16))],
            &[Frame::Address(Addr::Pc(3)), Frame::Address(Addr::Return(16))],
        ]);
        let once = resolver.name(&raw, || false);
        let twice = resolver.name(&once, || false);
        assert_eq!(once.losses.unresolved, 2);
        assert_eq!(twice.losses, once.losses);
        assert!(twice.frames().eq(once.frames()));
        assert_eq!(twice.mappings, once.mappings);
        let shown: Vec<_> = once.frames().skip(1).map(|frame| frame.show().into_owned()).collect();
        assert_eq!(shown, ["0xf", "0x3"], "the byte that was looked up");
    }

    #[test]
    fn a_half_named_profile_gets_the_other_half() {
        let resolver = Resolver::default();
        let task = Frame::named(Function::new("orders::poll", "src/orders.rs", 88));
        let named =
            resolver.name(&profile(&[&[Frame::Address(Addr::Pc(here(checkout))), task.clone()]]), || false);
        assert_eq!(named.frames().last(), Some(&task));
        assert!(only_function(&named, 0).name.ends_with("::checkout"));
        // With nothing to name a profile still says which program it is of.
        assert!(!resolver.name(&profile(&[&[task]]), || false).mappings.is_empty());
    }

    #[test]
    fn what_is_known_is_not_asked_for_again() {
        let resolver = Resolver::default();
        let raw =
            profile(&[&[Frame::Address(Addr::Pc(here(checkout))), Frame::Address(Addr::Pc(here(refund)))]]);
        let first = resolver.name(&raw, || false);
        assert_eq!(remembered(&resolver), (2, 0, 0));
        let second = resolver.name(&raw, || false);
        assert_eq!(remembered(&resolver), (2, 2, 0));
        assert!(first.frames().eq(second.frames()));
    }

    #[test]
    fn a_cache_without_room_changes_no_name() {
        let symbolizer = Symbolizer::builder().cache_budget(0).build();
        let cramped = Resolver { symbolizer, ..Resolver::default() };
        let raw =
            profile(&[&[Frame::Address(Addr::Pc(here(checkout))), Frame::Address(Addr::Pc(here(refund)))]]);
        let named = cramped.name(&raw, || false);
        assert!(only_function(&named, 1).name.ends_with("::refund"));
        assert_eq!(remembered(&cramped), (0, 0, 2));
    }

    #[test]
    fn symbols_by_address() {
        let resolver = Resolver::default();
        let names = resolver.lookup(&[here(refund), 7, here(checkout)], || false);
        assert!(names[0].as_deref().is_some_and(|name| name.ends_with("::refund")), "{names:?}");
        assert_eq!(names[1], None);
        assert!(names[2].as_deref().is_some_and(|name| name.ends_with("::checkout")), "{names:?}");
    }
}
