//! What the dynamic loader has mapped into this process: build ids read from memory, and the kernel's own library.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::file::elf::hex;

/// Room for the first look; a process with more modules costs a second one.
const EXPECTED_MODULES: usize = 256;
/// A build id is 20 bytes (SHA-1) by default; linkers let the user choose others. A longer one counts as none.
const MAX_BUILD_ID: usize = 64;
/// Notes are tens of bytes.
const MAX_NOTES: usize = 64 * 1024;
/// A module has about a dozen program headers.
const MAX_HEADERS: usize = 128;
const NO_HEADER: libc::Elf64_Phdr = libc::Elf64_Phdr {
    p_type: 0,
    p_flags: 0,
    p_offset: 0,
    p_vaddr: 0,
    p_paddr: 0,
    p_filesz: 0,
    p_memsz: 0,
    p_align: 0,
};
/// The vDSO is two pages.
const MAX_VDSO: usize = 1 << 20;
const NT_GNU_BUILD_ID: u32 = 3;

/// An address in the first executable segment of each loaded module that has a build id, and that id in hex.
pub(crate) fn loaded_build_ids() -> Vec<(u64, String)> {
    let mut found = Found::with_room_for(EXPECTED_MODULES);
    look(&mut found);
    if found.turned_away > 0 {
        found = Found::with_room_for((found.ids.len() + found.turned_away) * 2);
        look(&mut found);
    }
    found.ids.iter().map(|id| (id.text, id.hex())).collect()
}

/// The bytes of the kernel's own library, when it is mapped at exactly `start`.
pub(crate) fn vdso(start: u64, end: u64) -> Option<Vec<u8>> {
    // SAFETY: `getauxval` reads the auxiliary vector and has no preconditions, getauxval(3).
    let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let length = usize::try_from(end.checked_sub(start)?).ok()?;
    if base == 0 || base != start || length > MAX_VDSO {
        return None;
    }
    let first = std::ptr::with_exposed_provenance::<u8>(usize::try_from(start).ok()?);
    // SAFETY: AT_SYSINFO_EHDR is the address of the vDSO, vdso(7), which the kernel keeps mapped and readable for
    // the life of the process; the caller read from `/proc/self/maps` that it reaches to `end`.
    let bytes = unsafe { std::slice::from_raw_parts(first, length) };
    Some(bytes.to_vec())
}

/// What the callback fills. It has its room beforehand: the callback runs under the loader's lock, where an
/// allocation that is sampled and unwound could need that lock on another thread.
struct Found {
    ids: Vec<BuildId>,
    turned_away: usize,
    /// For a copy of a module's program headers, and of its notes.
    headers: Vec<libc::Elf64_Phdr>,
    notes: Vec<u8>,
    /// This process's memory as a file, where it can be read so. There are filters that end who calls process_vm_readv(2),
    /// and none that let a program live and refuse it files.
    memory: Option<File>,
}

struct BuildId {
    text: u64,
    bytes: [u8; MAX_BUILD_ID],
    length: usize,
}

impl Found {
    fn with_room_for(modules: usize) -> Self {
        Self {
            ids: Vec::with_capacity(modules),
            turned_away: 0,
            headers: vec![NO_HEADER; MAX_HEADERS],
            notes: vec![0; MAX_NOTES],
            memory: own_memory(),
        }
    }

    /// Takes down the module whose program headers stand at `headers`.
    fn look_at(&mut self, base: u64, headers: u64, count: usize) {
        let Some(room) = self.headers.get_mut(..count) else { return };
        if !copy_headers(self.memory.as_ref(), headers, room) {
            return;
        }
        let text =
            room.iter().find(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0);
        let Some(text) = text.map(|text| base.wrapping_add(text.p_vaddr)) else { return };
        for header in room.iter().filter(|header| header.p_type == libc::PT_NOTE) {
            let length = usize::try_from(header.p_filesz).unwrap_or(usize::MAX);
            let Some(notes) = self.notes.get_mut(..length) else { continue };
            if !copy(self.memory.as_ref(), base.wrapping_add(header.p_vaddr), notes) {
                continue;
            }
            if let Some(id) = build_id(notes, if header.p_align == 8 { 8 } else { 4 }) {
                let Some(id) = BuildId::new(text, id) else { return };
                if self.ids.len() == self.ids.capacity() {
                    self.turned_away += 1;
                } else {
                    self.ids.push(id);
                }
                return;
            }
        }
    }
}

fn own_memory() -> Option<File> {
    let memory = File::open("/proc/self/mem").ok()?;
    let sample = [1_u8; 8];
    let mut room = [0; 8];
    memory.read_exact_at(&mut room, std::ptr::from_ref(&sample) as u64).ok()?;
    (room == sample).then_some(memory)
}

impl BuildId {
    fn new(text: u64, id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_BUILD_ID];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { text, bytes, length: id.len() })
    }

    fn hex(&self) -> String {
        hex(self.bytes.get(..self.length).unwrap_or_default())
    }
}

fn look(found: &mut Found) {
    // SAFETY: the callback has the signature `dl_iterate_phdr` asks for, and `found` outlives the call,
    // dl_iterate_phdr(3).
    unsafe { libc::dl_iterate_phdr(Some(visit), std::ptr::from_mut(found).cast()) };
}

/// Takes down one module. Does not allocate, and does not panic.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, found: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid `dl_phdr_info` for the time of the call, dl_iterate_phdr(3).
    let info = unsafe { &*info };
    // SAFETY: `look` passed a `Found` that nobody else refers to during the call.
    let found = unsafe { &mut *found.cast::<Found>() };
    found.look_at(info.dlpi_addr, info.dlpi_phdr.addr() as u64, usize::from(info.dlpi_phnum));
    0
}

/// Copies the program headers at `address`.
fn copy_headers(memory: Option<&File>, address: u64, room: &mut [libc::Elf64_Phdr]) -> bool {
    let bytes = size_of_val(room);
    // SAFETY: an `Elf64_Phdr` is eight numbers without padding (elf(5)): its bytes may be looked at as such, and any
    // bytes are one. The slice covers exactly `room`, which is borrowed mutably for as long.
    copy(memory, address, unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<u8>(), bytes) })
}

/// Fills `room` from this process's memory at `address`; false when not all of it is there. The system copies, because
/// a library that was cut short on disk is still mapped, and to read past its end is a bus error.
fn copy(memory: Option<&File>, address: u64, room: &mut [u8]) -> bool {
    match memory {
        Some(memory) => memory.read_exact_at(room, address).is_ok(),
        None => called(address, room),
    }
}

fn called(address: u64, room: &mut [u8]) -> bool {
    let Ok(start) = usize::try_from(address) else { return false };
    let local = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(start), iov_len: room.len() };
    // SAFETY: process_vm_readv(2) writes to `local`, which is `room`, at most its length, and only looks at
    // `remote`: an address that is not mapped is an error it returns. getpid(2) has no preconditions.
    let copied =
        unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(copied) == Ok(room.len())
}

/// The GNU build id among `notes`, whose descriptors are padded to `align` bytes (elf(5), "Notes").
fn build_id(mut notes: &[u8], align: usize) -> Option<&[u8]> {
    let word = |bytes: &[u8]| Some(u32::from_ne_bytes(*bytes.first_chunk()?));
    loop {
        let name_size = usize::try_from(word(notes)?).ok()?;
        let size = usize::try_from(word(notes.get(4..)?)?).ok()?;
        let kind = word(notes.get(8..)?)?;
        let name = notes.get(12..)?.get(..name_size)?;
        let start = 12_usize.checked_add(name_size)?.checked_next_multiple_of(align)?;
        let descriptor = notes.get(start..)?.get(..size)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(descriptor);
        }
        notes = notes.get(start.checked_add(size)?.checked_next_multiple_of(align)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u32, name: &[u8; 4], descriptor: &[u8]) -> Vec<u8> {
        let size = u32::try_from(descriptor.len()).expect("small");
        let mut note: Vec<u8> = [4, size, kind].into_iter().flat_map(u32::to_ne_bytes).collect();
        note.extend_from_slice(name);
        note.extend_from_slice(descriptor);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    #[test]
    fn the_build_id_is_found_among_other_notes() {
        let mut notes = note(1, b"GNU\0", &[9; 16]);
        notes.extend(note(3, b"Go\0\0", b"other"));
        assert_eq!(build_id(&notes, 4), None);
        notes.extend(note(3, b"GNU\0", &[1, 2, 3]));
        assert_eq!(build_id(&notes, 4), Some(&[1, 2, 3][..]));
    }

    #[test]
    fn damaged_notes_hold_no_build_id() {
        let good = note(3, b"GNU\0", &[7; 20]);
        for length in 0..good.len() {
            assert_eq!(build_id(&good[..length], 4), None, "{length}");
        }
        assert_eq!(build_id(&[0xff; 64], 4), None);
        assert_eq!(build_id(&[0; 64], 8), None);
    }

    #[test]
    fn memory_is_read_as_a_file_and_by_a_call_where_there_is_none() {
        let memory = own_memory().expect("our own memory");
        let sample = 0x666c_616d_6577_6174_u64;
        let at = std::ptr::from_ref(&sample) as u64;
        let mut room = [0; 8];
        assert!(memory.read_exact_at(&mut room, at).is_ok() && u64::from_ne_bytes(room) == sample);
        assert!(!copy(Some(&memory), 16, &mut room) && !copy(None, 16, &mut room));
        assert!(copy(None, at, &mut room));
    }

    #[test]
    fn every_module_has_room_even_when_there_are_more_than_expected() {
        let mut found = Found::with_room_for(0);
        look(&mut found);
        assert!(found.ids.len() + found.turned_away >= 1);
        let all = loaded_build_ids();
        assert!(all.len() >= 2, "the executable and the C library: {all:?}");
        assert!(all.iter().all(|(address, id)| *address > 0 && !id.is_empty()));
    }
}
