//! What the stacks of all threads take. The kernel does not say which mapping is a stack, but where each thread that sleeps
//! has its stack pointer (`/proc/self/task/T/syscall`); of those mappings alone the pages in memory are counted
//! (`/proc/self/pagemap`). `smaps` would walk all of the memory instead, with the lock held that every `mmap` waits for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::sys;
use crate::watch::memory::Stacks;

/// The most threads looked at, spread evenly over all, old and new; the others are taken to be like them. With the pages of
/// a stack of 2 MiB each takes 30 µs, so that all take 8 ms.
const MAX_THREADS: usize = 256;

/// The most of `/proc/self/maps` read, about 80,000 mappings.
const MAX_MAPS: u64 = 8 << 20;

/// The most of a stack looked at beyond the pointers into it, towards its beginning. The mapping may go on: the kernel
/// joins it with a neighbor of the same kind.
const MAX_DEPTH: u64 = 8 << 20;

/// Then what was found so far is what there is to go by.
const PATIENCE: Duration = Duration::from_millis(100);

/// The bit of an entry of `pagemap` that says the page is in memory.
const PRESENT: u64 = 1 << 63;

/// So many entries of `pagemap` are read at a time: those of 2 MiB, the usual stack.
const ENTRIES: usize = 512;

/// What the stacks of all threads take now. `None` where the kernel does not tell.
pub(crate) fn stacks() -> Option<Stacks> {
    let end = Instant::now() + PATIENCE;
    let page = sys::process::page_size().ok()?;
    let threads: Vec<_> = fs::read_dir("/proc/self/task").ok()?.flatten().map(|entry| entry.path()).collect();
    let place =
        |thread: &std::path::PathBuf| stack_pointer(&fs::read_to_string(thread.join("syscall")).ok()?);
    let every = threads.len().div_ceil(MAX_THREADS).max(1);
    let in_time = |_: &&std::path::PathBuf| Instant::now() < end;
    let pointers: Vec<u64> = threads.iter().step_by(every).take_while(in_time).filter_map(place).collect();
    let mut maps = String::new();
    File::open("/proc/self/maps").ok()?.take(MAX_MAPS).read_to_string(&mut maps).ok()?;
    let stacks = stacks_of(&pointers, &anonymous_in(&maps));
    let pagemap = File::open("/proc/self/pagemap").ok()?;
    let (mut pages, mut seen) = (0, 0);
    for (stack, owners) in stacks {
        if Instant::now() > end {
            break;
        }
        pages += present(&pagemap, &stack, page).ok()?;
        seen += owners;
    }
    let all = threads.len() as u64;
    let bytes = pages.saturating_mul(page).saturating_mul(all).checked_div(seen)?;
    Some(Stacks { bytes, estimated: seen < all })
}

/// The last but one field: `202 0x7f… … 0x7ffc… 0x7f…`. A thread that runs has none to tell.
fn stack_pointer(syscall: &str) -> Option<u64> {
    let field = syscall.trim_end().rsplit(' ').nth(1)?;
    u64::from_str_radix(field.strip_prefix("0x")?, 16).ok()
}

/// The mappings that can hold a stack: private, writable, of no file. In the order of their addresses, as the kernel tells
/// them.
fn anonymous_in(maps: &str) -> Vec<Range<u64>> {
    let range = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (rights, inode) = (fields.next()?, fields.nth(2)?);
        if !rights.starts_with("rw") || !rights.ends_with('p') || inode != "0" {
            return None;
        }
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    };
    maps.lines().filter_map(range).collect()
}

/// The mappings that `pointers` point into, each as far as it is stack, with how many point there.
fn stacks_of(pointers: &[u64], mappings: &[Range<u64>]) -> Vec<(Range<u64>, u64)> {
    let mut stacks: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for pointer in pointers {
        let index = mappings.partition_point(|mapping| mapping.end <= *pointer);
        let Some(mapping) = mappings.get(index).filter(|mapping| mapping.contains(pointer)) else { continue };
        let (end, owners) = stacks.entry(mapping.start).or_default();
        *end = (*end).max(mapping.end.min(pointer.saturating_add(MAX_DEPTH)));
        *owners += 1;
    }
    stacks.into_iter().map(|(start, (end, owners))| (start..end, owners)).collect()
}

/// How many pages of `range` are in memory.
fn present(pagemap: &File, range: &Range<u64>, page: u64) -> io::Result<u64> {
    let mut buffer = [0; ENTRIES * 8];
    let (mut next, end) = (range.start / page, range.end.div_ceil(page));
    let mut present = 0;
    while next < end {
        let wanted = usize::try_from(end - next).unwrap_or(ENTRIES).min(ENTRIES) * 8;
        let read = pagemap.read_at(buffer.get_mut(..wanted).unwrap_or_default(), next * 8)?;
        let entries = buffer.get(..read).unwrap_or_default().as_chunks::<8>().0;
        if entries.is_empty() {
            break;
        }
        present += entries.iter().filter(|entry| u64::from_ne_bytes(**entry) & PRESENT != 0).count() as u64;
        next += entries.len() as u64;
    }
    Ok(present)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_and_pointers() {
        let maps = "1000-2000 r--p 00000000 fd:00 77 /bin/shop\n2000-3000 rw-p 00000000 fd:00 77 /bin/shop\n\
                    4000-5000 ---p 00000000 00:00 0 \n5000-9000 rw-p 00000000 00:00 0 \n\
                    a000-b000 rw-s 00000000 00:00 0 \nc000-d000 rw-p 00000000 00:00 0                  [stack]\n";
        let mappings = anonymous_in(maps);
        assert_eq!(mappings, [0x5000..0x9000, 0xc000..0xd000]);
        let stacks = stacks_of(&[0x8f00, 0x5100, 0xc000, 0x2800, 0x9000, u64::MAX], &mappings);
        assert_eq!(stacks, [(0x5000..0x9000, 2), (0xc000..0xd000, 1)]);
        assert_eq!(stack_pointer("202 0x1 0x0 0x7ffc0 0x7f10\n"), Some(0x7ffc0));
        assert_eq!((stack_pointer("running\n"), stack_pointer("")), (None, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_have_used_their_stacks_are_found() {
        const USED: usize = 1_000_003;
        let before = stacks().expect("a kernel that tells").bytes;
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let (deep, is_deep) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (wait, deep) = (wait.clone(), deep.clone());
                std::thread::spawn(move || {
                    std::hint::black_box([1_u8; USED]);
                    deep.send(()).expect("the test waits");
                    let _ = wait.lock().expect("no panic").recv();
                })
            })
            .collect();
        (0..16).for_each(|_| is_deep.recv().expect("a thread"));
        let grown = stacks().expect("a kernel that tells").bytes.saturating_sub(before);
        drop(done);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        // Other tests' threads come and go, and those that run tell nothing.
        assert!(grown > 8 * USED as u64, "{grown}");
    }
}
