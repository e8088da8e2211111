//! The text of `perf script` into a profile: stacks of addresses with files and names, in one form or the other.
//!
//! ```text
//! shop 32292 12531.952291: PERF_RECORD_MMAP2 32292/32292: [0x55eee5bcf000(0x1000) @ 0x1000 fe:00 77 0]: r-xp /bin/shop
//! shop 32292 12531.972321:   10101010 cpu-clock:u:
//!                  1135 inner (inlined)
//!                  1135 outer+0xc (/bin/shop)
//!                 2724a __libc_start_call_main+0x7a (/usr/lib/x86_64-linux-gnu/libc.so.6)
//! ```
//!
//! In stacks perf writes where in the file an address is, and without stacks, where in the process.

use std::collections::HashMap;
use std::path::Path;

use flamewatch_symbolizer::{Addr, Module};

use crate::binary::Binary;
use crate::failure::Failure;
use crate::perf_line::{Dso, Line, Mmap};
use crate::profile::Profile;
use crate::proto;
use crate::tables::Tables;

/// Where addresses of a file that cannot be looked at are taken to end: no file is larger.
const END: u64 = 1 << 44;

/// Reads a trace. Kernel functions keep the names that perf gave them.
pub(crate) fn read(bytes: &[u8]) -> Result<Profile, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::new();
    text.lines().for_each(|line| reader.line(line));
    reader.end_of_stack();
    if reader.profile.message.sample.is_empty() {
        return Err(Failure::new("there is no stack in it: record with `perf record -g`"));
    }
    Ok(reader.profile)
}

struct Reader {
    profile: Profile,
    tables: Tables,
    mmaps: HashMap<String, Vec<Mmap>>,
    /// The mapping of each file, by its id.
    files: HashMap<String, u64>,
    command: String,
    /// The locations of the stack so far, innermost first.
    stack: Vec<u64>,
    /// What perf says is inlined at the next address.
    inlined: Vec<String>,
}

impl Reader {
    fn new() -> Self {
        let mut profile = Profile::default();
        let mut tables = Tables::of(&mut profile.message);
        let message = &mut profile.message;
        let [name, unit] = ["samples", "count"].map(|text| tables.string(message, text));
        message.sample_type = vec![proto::ValueType { name, unit }];
        let (mmaps, files) = (HashMap::new(), HashMap::new());
        let (command, stack, inlined) = (String::new(), Vec::new(), Vec::new());
        Self { profile, tables, mmaps, files, command, stack, inlined }
    }

    fn line(&mut self, line: &str) {
        match Line::parse(line) {
            Line::Blank => self.end_of_stack(),
            Line::Mmap(mmap) => self.mmaps.entry(mmap.path.clone()).or_default().push(mmap),
            Line::Head { command, frame } => {
                self.end_of_stack();
                command.clone_into(&mut self.command);
                if let Some(frame) = frame {
                    self.frame(frame.address, frame.symbol, frame.dso, false);
                    self.end_of_stack();
                }
            }
            Line::Frame(frame) => match frame.dso {
                Dso::Inlined => self.inlined.extend(frame.symbol.map(str::to_owned)),
                _ => self.frame(frame.address, frame.symbol, frame.dso, true),
            },
            Line::Other => {}
        }
    }

    fn frame(&mut self, address: u64, symbol: Option<&str>, dso: Dso<'_>, in_stack: bool) {
        let mut printed = std::mem::take(&mut self.inlined);
        printed.extend(symbol.map(str::to_owned));
        let (mapping, address) = match dso {
            Dso::File(path, Some(offset)) => (self.mapping(path), offset),
            Dso::File(path, None) => {
                let mapping = self.mapping(path);
                self.offset(mapping, path, address, in_stack).map_or((0, address), |offset| (mapping, offset))
            }
            Dso::Inlined | Dso::Other(_) => (0, address),
        };
        if let (true, Dso::Other(name) | Dso::File(name, _)) = (printed.is_empty() && mapping == 0, dso) {
            printed.push(format!("[{}]", name.rsplit('/').next().unwrap_or(name).trim_matches(['[', ']'])));
        }
        let address = if self.stack.is_empty() { Addr::Pc(address) } else { Addr::Return(address) };
        self.location(mapping, address.lookup(), printed);
    }

    fn location(&mut self, mapping: u64, address: u64, printed: Vec<String>) {
        let told = if mapping == 0 { printed.join(";") } else { String::new() };
        let (id, new) = self.tables.location(&mut self.profile.message, mapping, address, &told);
        if new && !printed.is_empty() {
            self.profile.printed.insert(id, printed);
        }
        self.stack.push(id);
    }

    fn end_of_stack(&mut self) {
        self.inlined.clear();
        if self.stack.is_empty() {
            return;
        }
        if !self.command.is_empty() {
            let command = vec![self.command.clone()];
            self.location(0, 0, command);
        }
        let location_id = std::mem::take(&mut self.stack);
        self.profile.message.sample.push(proto::Sample { location_id, value: vec![1], label: Vec::new() });
    }

    /// The id of the mapping that stands for the whole file at `path`: its addresses are offsets in the file.
    fn mapping(&mut self, path: &str) -> u64 {
        if let Some(id) = self.files.get(path) {
            return *id;
        }
        let module = module(path, self.mmaps.get(path).and_then(|mmaps| mmaps.last()));
        let message = &mut self.profile.message;
        let id = message.mapping.len() as u64 + 1;
        let memory_limit = module.segments.iter().map(|segment| segment.end).max().unwrap_or(END);
        let [filename, build_id] = [path, &module.build_id].map(|text| self.tables.string(message, text));
        message.mapping.push(proto::Mapping {
            id,
            memory_limit,
            filename,
            build_id,
            ..proto::Mapping::default()
        });
        self.profile.modules.push(module);
        self.files.insert(path.to_owned(), id);
        id
    }

    /// Where in the file at `path` an address is.
    fn offset(&self, mapping: u64, path: &str, address: u64, in_stack: bool) -> Option<u64> {
        let mapped = || {
            let mmaps = self.mmaps.get(path)?.iter().rev();
            mmaps.filter_map(|mmap| mmap.offset_of(address)).next()
        };
        let module = usize::try_from(mapping).ok()?.checked_sub(1)?;
        let module = self.profile.modules.get(module)?;
        let in_file = module.segments.iter().any(|segment| segment.contains(address)).then_some(address);
        if in_stack { in_file.or_else(mapped) } else { mapped().or(in_file) }
    }
}

/// The file at `path`, whose executable segments are numbered by their offsets. Without an event that says which
/// file it was, it is taken for the one that ran, and what perf printed tells whether it is; see `belief`.
fn module(path: &str, mmap: Option<&Mmap>) -> Module {
    let binary = Binary::open(Path::new(path));
    let mut module = binary.map_or_else(|_| Module::default(), |binary| binary.module(path));
    path.clone_into(&mut module.path);
    if let Some(mmap) = mmap {
        module.build_id.clone_from(&mmap.build_id);
        module.inode = mmap.inode;
    }
    if module.segments.is_empty() {
        module.segments.push(flamewatch_symbolizer::Segment::default());
    }
    let unknown = module.segments.len() == 1 && module.segments.iter().all(|segment| segment.end == 0);
    for segment in &mut module.segments {
        let size = if unknown { END } else { segment.end - segment.start };
        (segment.start, segment.end) = (segment.file_offset, segment.file_offset.saturating_add(size));
    }
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(text: &str) -> Vec<String> {
        let profile = read(text.as_bytes()).expect("a trace");
        let show = |id: &u64| {
            let index = usize::try_from(*id).expect("small") - 1;
            let location = &profile.message.location[index];
            let printed = profile.printed.get(id).map_or("?".to_owned(), |names| names.join("<"));
            format!("{printed}@{}:{:x}", location.mapping_id, location.address)
        };
        let stack =
            |sample: &proto::Sample| sample.location_id.iter().map(show).collect::<Vec<_>>().join(" ");
        profile.message.sample.iter().map(stack).collect()
    }

    #[test]
    fn stacks_with_and_without_heads() {
        let head = "my shop 32292 [001] 12531.972321:   10101010 cpu-clock:u: \n";
        let frames = "\t   1135 inner (inlined)\n\t   1135 outer+0xc (/gone/shop)\n\t   2724a [unknown] (/gone/libc.so.6)\n\t ffffffff81 do_syscall_64 ([kernel.kallsyms])\n";
        let expected = "inner<outer@1:1135 ?@2:27249 do_syscall_64@0:ffffffff80";
        assert_eq!(stacks(frames), [expected]);
        assert_eq!(
            stacks(&format!("{head}{frames}\n{head}{frames}")),
            [&*format!("{expected} my shop@0:0"); 2]
        );
    }

    #[test]
    fn an_address_of_the_process_needs_its_map() {
        let mmap = "shop 1 2.3: PERF_RECORD_MMAP2 1/1: [0x55eee5bcf000(0x1000) @ 0x1000 fe:00 77 0]: r-xp /gone/shop\n";
        let line = "shop 1 2.3:    1 cpu-clock:u:      55eee5bcf135 outer+0xc (/gone/shop)\n";
        assert_eq!(stacks(&format!("{mmap}{line}")), ["outer@1:1135 shop@0:0"]);
        assert_eq!(stacks(line), ["outer@0:55eee5bcf135 shop@0:0"]);
    }

    #[test]
    fn a_text_without_stacks_is_refused() {
        assert!(read(b"shop 1 2.3: 1 cpu-clock:u:\n\n").is_err());
    }
}
