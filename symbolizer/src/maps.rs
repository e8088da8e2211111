//! The text of `/proc/<pid>/maps`, which jemalloc copies into its dumps: executable segments by module. Pure.

use crate::module::{Module, Segment};

/// The modules that `text` describes, in the order of their first executable segment.
pub(crate) fn modules(text: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for line in text.lines().filter_map(Line::parse) {
        // The same path at another inode is another file: one generation of a library that was replaced.
        let known = modules.iter_mut().find(|module| module.inode == line.inode && module.path == line.path);
        match known {
            Some(module) => add(&mut module.segments, line.segment),
            None => modules.push(Module {
                path: line.path.to_owned(),
                inode: line.inode,
                segments: vec![line.segment],
                ..Module::default()
            }),
        }
    }
    modules
}

/// An executable mapping of a file, or of the kernel's `[vdso]`.
struct Line<'text> {
    segment: Segment,
    inode: u64,
    path: &'text str,
}

impl<'text> Line<'text> {
    /// `7f12a000-7f12c000 r-xp 00001000 08:01 1234    /lib/libfoo.so (deleted)`
    fn parse(line: &'text str) -> Option<Self> {
        let (range, rest) = field(line)?;
        let (permissions, rest) = field(rest)?;
        let (file_offset, rest) = field(rest)?;
        let (_device, rest) = field(rest)?;
        let (inode, path) = field(rest)?;
        let (start, end) = range.split_once('-')?;
        let segment = Segment { start: hex(start)?, end: hex(end)?, file_offset: hex(file_offset)? };
        let path = path.trim_start();
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let named = path.starts_with('/') || path == "[vdso]";
        let executable = permissions.contains('x') && segment.start < segment.end;
        (named && executable).then_some(Self { segment, inode: inode.parse().ok()?, path })
    }
}

/// Adds `segment`; a mapping that the kernel has split (`mprotect`, huge pages) becomes one again.
fn add(segments: &mut Vec<Segment>, segment: Segment) {
    match segments.last_mut() {
        Some(last) if last.end == segment.start && last.offset_of(last.end) == segment.file_offset => {
            last.end = segment.end;
        }
        _ => segments.push(segment),
    }
}

fn field(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(' ').unwrap_or(text.len());
    let (field, rest) = text.split_at_checked(end)?;
    (!field.is_empty()).then_some((field, rest))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_segments_by_module() {
        let modules = modules(
            "\
55d0c0000000-55d0c0001000 r--p 00000000 08:01 11                         /srv/my app
55d0c0001000-55d0c0003000 r-xp 00001000 08:01 11                         /srv/my app
55d0c0003000-55d0c0004000 r-xp 00003000 08:01 11                         /srv/my app
55d0c0009000-55d0c000a000 r-xp 00008000 08:01 11                         /srv/my app
7f0000000000-7f0000001000 r-xp 00000000 00:00 0
7f0000002000-7f0000003000 r-xp 00001000 08:01 12                         /lib/liba.so (deleted)
7f0000004000-7f0000005000 r-xp 00001000 08:01 13                         /lib/liba.so
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
7ffc00022000-7ffc00024000 r-xp 00000000 00:00 0                          [vdso]
nonsense
-1 r-xp zz
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
        );
        let shown: Vec<_> =
            modules.iter().map(|module| (&*module.path, module.inode, module.segments.len())).collect();
        assert_eq!(
            shown,
            [("/srv/my app", 11, 2), ("/lib/liba.so", 12, 1), ("/lib/liba.so", 13, 1), ("[vdso]", 0, 1)]
        );
        assert_eq!(
            modules[0].segments[0],
            Segment { start: 0x55d0_c000_1000, end: 0x55d0_c000_4000, file_offset: 0x1000 }
        );
    }
}
