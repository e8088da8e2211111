//! flamewatch-symbolizer: one batch against a module map.

use std::fs;
use std::os::unix::fs::MetadataExt;

use flamewatch_symbolizer::{Addr, ModuleMap, Symbolizer};

use super::{Engine, Target};
use crate::store::Sink;

#[derive(Debug)]
pub struct Ours {
    symbolizer: Symbolizer,
    map: ModuleMap,
    bias: u64,
    linker_names: bool,
}

impl Engine for Ours {
    fn open(target: &Target<'_>) -> Result<Self, String> {
        let map = match target.bias {
            Some(_) => ModuleMap::current().map_err(|error| format!("{error:#}"))?,
            None => map_of_file(target)?,
        };
        let symbolizer = Symbolizer::default();
        Ok(Self { symbolizer, map, bias: target.bias.unwrap_or(0), linker_names: target.linker_names })
    }

    fn resolve(&mut self, addresses: &[u64], sink: &mut impl Sink) -> Result<(), String> {
        let addresses: Vec<Addr> =
            addresses.iter().map(|address| Addr::Pc(address.wrapping_add(self.bias))).collect();
        for frames in self.symbolizer.resolve(&self.map, &addresses).iter() {
            for frame in frames {
                let raw = self.linker_names && !frame.mangled.is_empty();
                sink.frame(if raw { &frame.mangled } else { &frame.name }, &frame.file, frame.line);
            }
            sink.end();
        }
        Ok(())
    }
}

/// The map of a process that has the file mapped where its program header wants it.
fn map_of_file(target: &Target<'_>) -> Result<ModuleMap, String> {
    let path = target.path.display();
    let inode = fs::metadata(target.path).map_err(|error| format!("{path}: {error}"))?.ino();
    let segment = target.segment;
    let line = format!(
        "{:x}-{:x} r-xp {:08x} 00:00 {inode} {path}\n",
        segment.start, segment.end, segment.file_offset
    );
    Ok(ModuleMap::from_proc_maps(&line))
}
