//! Gives a profile names: addresses become functions, files and lines. The one place that knows both the profile
//! and the symbolizer.

mod cache;

use std::collections::HashMap;
use std::sync::Arc;

use flamewatch_symbolizer::{Addr, Frame as Answer, ModuleMap, Symbolizer};

use crate::profile::{Frame, Function, Mapping, Profile};
pub(crate) use cache::{Cache, DEFAULT_CACHE_BYTES};

/// Names profiles of this process, and remembers what it has named.
#[derive(Debug)]
pub(crate) struct Resolver {
    symbolizer: Symbolizer,
    cache: Cache,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(Symbolizer::default(), DEFAULT_CACHE_BYTES)
    }
}

impl Resolver {
    /// A resolver that remembers at most `cache_bytes` of names.
    pub(crate) fn new(symbolizer: Symbolizer, cache_bytes: usize) -> Self {
        Self { symbolizer, cache: Cache::of_bytes(cache_bytes) }
    }

    /// From here on reads debug info of at most `bytes` a file; larger files give names from their symbol tables, which
    /// take next to nothing.
    pub(crate) fn limit_memory(&mut self, bytes: u64) {
        self.symbolizer = Symbolizer::builder().memory_budget(bytes).build();
    }

    /// The same profile with every address named, as far as that is possible now. What has no name becomes
    /// `module+offset` and counts in [`Losses::unresolved`](crate::profile::Losses::unresolved). Naming
    /// twice is naming once.
    ///
    /// What is mapped is looked at anew each time, so libraries loaded after the start have names too.
    pub(crate) fn name(&mut self, profile: &Profile) -> Profile {
        let addresses: Vec<Addr> = profile.frames().filter_map(address).collect();
        let map = ModuleMap::current().unwrap_or_default();
        let answers: HashMap<Addr, Arc<[Answer]>> =
            addresses.iter().copied().zip(self.answers(&map, &addresses)).collect();
        let mut named = profile.map_frames(|frame| {
            let answer = address(frame).and_then(|address| Some((address, answers.get(&address)?)));
            answer.map_or_else(|| vec![frame.clone()], |(address, answer)| functions(&map, address, answer))
        });
        let unnamed = answers.values().filter(|answer| !is_named(answer)).count();
        named.losses.unresolved = named.losses.unresolved.saturating_add(unnamed as u64);
        if named.mappings.is_empty() || !addresses.is_empty() {
            named.mappings = mappings(&map);
        }
        named
    }

    /// The name of the function each of `addresses` stands in, the innermost where some were inlined; `None` where
    /// there is no name. The addresses are taken as they are: no return addresses.
    pub(crate) fn lookup(&mut self, addresses: &[u64]) -> Vec<Option<String>> {
        let map = ModuleMap::current().unwrap_or_default();
        let addresses: Vec<Addr> = addresses.iter().map(|address| Addr::Pc(*address)).collect();
        let answers = self.answers(&map, &addresses);
        let innermost = answers.iter().map(|answer| answer.first().filter(|frame| frame.is_named()));
        innermost.map(|frame| frame.map(|frame| frame.name.to_string())).collect()
    }

    /// What is remembered, for those who show it.
    pub(crate) const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The frames at each of `addresses`, in their order: from the cache, else from the symbolizer, all at once.
    fn answers(&mut self, map: &ModuleMap, addresses: &[Addr]) -> Vec<Arc<[Answer]>> {
        let known: Vec<_> = addresses.iter().map(|address| self.cache.get(map, *address)).collect();
        let unknown = addresses.iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<Addr> = unknown.map(|(address, _)| *address).collect();
        if unknown.is_empty() {
            return known.into_iter().flatten().collect();
        }
        let resolved = self.symbolizer.resolve(map, &unknown);
        let mut fresh: Vec<Arc<[Answer]>> = resolved.iter().map(Arc::from).collect();
        for (address, answer) in unknown.iter().zip(&fresh) {
            self.cache.insert(map, *address, answer);
        }
        let mut fresh = fresh.drain(..);
        known.into_iter().filter_map(|known| known.or_else(|| fresh.next())).collect()
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
        address: address.raw(),
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
    use crate::profile::{Owner, ValueType};

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

    fn only_function(profile: &Profile, index: usize) -> Function {
        match profile.frames().nth(index) {
            Some(Frame::Named(function)) => (**function).clone(),
            other => panic!("not named: {other:?}"),
        }
    }

    #[test]
    fn addresses_become_functions_with_places() {
        let mut resolver = Resolver::default();
        let pc = Frame::Address(Addr::Pc(here(checkout)));
        let inside = Frame::Address(Addr::Return(here(refund) + 4));
        let label = Frame::label("thread", "main");
        let named = resolver.name(&profile(&[&[pc, inside, label.clone()]]));

        let (checkout_is, refund_is) = (only_function(&named, 0), only_function(&named, 1));
        assert!(checkout_is.name.ends_with("resolve::tests::checkout"), "{checkout_is:?}");
        assert!(refund_is.name.ends_with("resolve::tests::refund"), "{refund_is:?}");
        assert!(checkout_is.file.ends_with("resolve/mod.rs") && checkout_is.line > 0, "{checkout_is:?}");
        assert!(checkout_is.line < refund_is.line);
        assert!(checkout_is.system_name.starts_with("_R") || checkout_is.system_name.starts_with("_Z"));
        assert_eq!((checkout_is.address, checkout_is.inlined), (here(checkout), false));
        assert_eq!(refund_is.address, here(refund) + 4, "the address as it was seen");
        assert_eq!(named.frames().last(), Some(&label));
        assert_eq!((named.total(0), named.losses.unresolved), (100, 0));
    }

    #[test]
    fn functions_say_whose_they_are_also_where_only_their_library_tells() {
        let getpid = Frame::Address(Addr::Pc(libc::getpid as *const () as u64));
        let own = Frame::Address(Addr::Pc(here(checkout)));
        let named = Resolver::default().name(&profile(&[&[getpid, own]]));
        let (getpid, own) = (only_function(&named, 0), only_function(&named, 1));
        assert_eq!((getpid.owner, own.owner), (Owner::System, Owner::Flamewatch), "{getpid:?}, {own:?}");
    }

    #[test]
    fn the_executable_segments_are_the_mappings() {
        let named = Resolver::default().name(&profile(&[&[Frame::Address(Addr::Pc(here(checkout)))]]));
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
        let mut resolver = Resolver::default();
        let raw = profile(&[
            &[Frame::Address(Addr::Pc(here(checkout))), Frame::Address(Addr::Return(16))],
            &[Frame::Address(Addr::Pc(3)), Frame::Address(Addr::Return(16))],
        ]);
        let once = resolver.name(&raw);
        let twice = resolver.name(&once);
        assert_eq!(once.losses.unresolved, 2);
        assert_eq!(twice.losses, once.losses);
        assert!(twice.frames().eq(once.frames()));
        assert_eq!(twice.mappings, once.mappings);
        let shown: Vec<_> = once.frames().skip(1).map(|frame| frame.show().into_owned()).collect();
        assert_eq!(shown, ["0xf", "0x3"], "the byte that was looked up");
    }

    #[test]
    fn a_half_named_profile_gets_the_other_half() {
        let mut resolver = Resolver::default();
        let task = Frame::named(Function::new("orders::poll", "src/orders.rs", 88));
        let named = resolver.name(&profile(&[&[Frame::Address(Addr::Pc(here(checkout))), task.clone()]]));
        assert_eq!(named.frames().last(), Some(&task));
        assert!(only_function(&named, 0).name.ends_with("::checkout"));
        // With nothing to name a profile still says which program it is of.
        assert!(!resolver.name(&profile(&[&[task]])).mappings.is_empty());
    }

    #[test]
    fn what_is_known_is_not_asked_for_again() {
        let mut resolver = Resolver::default();
        let raw =
            profile(&[&[Frame::Address(Addr::Pc(here(checkout))), Frame::Address(Addr::Pc(here(refund)))]]);
        let first = resolver.name(&raw);
        assert_eq!((resolver.cache().len(), resolver.cache().hits()), (2, 0));
        let second = resolver.name(&raw);
        assert_eq!((resolver.cache().len(), resolver.cache().hits()), (2, 2));
        assert!(first.frames().eq(second.frames()));
    }

    #[test]
    fn a_cache_without_room_changes_no_name() {
        let mut cramped = Resolver::new(Symbolizer::default(), 0);
        let raw =
            profile(&[&[Frame::Address(Addr::Pc(here(checkout))), Frame::Address(Addr::Pc(here(refund)))]]);
        let named = cramped.name(&raw);
        assert!(only_function(&named, 1).name.ends_with("::refund"));
        assert_eq!((cramped.cache().len(), cramped.cache().evicted()), (0, 2));
    }

    #[test]
    fn symbols_by_address() {
        let mut resolver = Resolver::default();
        let names = resolver.lookup(&[here(refund), 7, here(checkout)]);
        assert!(names[0].as_deref().is_some_and(|name| name.ends_with("::refund")), "{names:?}");
        assert_eq!(names[1], None);
        assert!(names[2].as_deref().is_some_and(|name| name.ends_with("::checkout")), "{names:?}");
    }
}
