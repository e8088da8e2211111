//! The executable images of this process and their unwind tables, as they are mapped: no file is opened.

use std::ffi::{CStr, c_int, c_void};
use std::ops::{Deref, Range};
use std::slice;
use std::sync::Arc;

/// The most that is copied of the unwind tables of libraries: what all libraries of a service have together is
/// below 1 MiB as a rule, a browser engine alone has 10. A library past it is unwound by its frame pointers.
const MAX_COPIED: usize = 16 << 20;

/// One loaded image that has unwind tables.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    /// What is added to an address in the file to get the address in memory.
    pub(crate) bias: u64,
    /// Its first address in memory and the first after it.
    pub(crate) range: Range<u64>,
    pub(crate) eh_frame_hdr: Section,
    pub(crate) eh_frame: Section,
}

/// A section of an image, and where it lies according to the file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) address: u64,
    pub(crate) bytes: Bytes,
}

/// The bytes of a section. Those of the program itself are used where they are; those of a library are copied,
/// since a library can be unloaded while somebody unwinds.
#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    Mapped(&'static [u8]),
    Copied(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Mapped(&[])
    }
}

/// How often images were added and removed: when it changes, the list of modules is out of date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation {
    added: u64,
    removed: u64,
}

/// The generation of this moment. About a microsecond.
pub(crate) fn generation() -> Generation {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
        // SAFETY: `data` is the Generation passed below.
        let generation = unsafe { &mut *data.cast::<Generation>() };
        // SAFETY: dl_iterate_phdr(3) passes a valid info.
        let info = unsafe { &*info };
        *generation = Generation { added: info.dlpi_adds, removed: info.dlpi_subs };
        1
    }
    let mut generation = Generation::default();
    // SAFETY: the callback has the documented signature and the pointer lives through the call.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut generation).cast()) };
    generation
}

/// Every image that has unwind tables in a form we read.
pub(crate) fn loaded() -> Vec<Module> {
    let mut found = Found { modules: Vec::new(), copied: 0, seen: 0 };
    // SAFETY: the callback has the documented signature and the pointer lives through the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut found).cast()) };
    found.modules
}

/// Where executable code lies: that of the program, and that of all images, the program among them.
#[cfg(feature = "cpu")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    program: Vec<Range<u64>>,
    all: Vec<Range<u64>>,
}

#[cfg(feature = "cpu")]
impl Code {
    /// As it is now; a library can go away later.
    pub(crate) fn of_process() -> Self {
        let mut code = Self::default();
        // SAFETY: the callback has the documented signature and the pointer lives through the call.
        unsafe { libc::dl_iterate_phdr(Some(add_code), (&raw mut code).cast()) };
        code
    }

    /// Whether `address` lies in the program itself, not in a library.
    pub(crate) fn is_of_program(&self, address: u64) -> bool {
        self.program.iter().any(|range| range.contains(&address))
    }

    /// Whether `address` lies in the code of the program or of a library.
    pub(crate) fn contains(&self, address: u64) -> bool {
        self.all.iter().any(|range| range.contains(&address))
    }
}

#[cfg(feature = "cpu")]
unsafe extern "C" fn add_code(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` is the Code that `of_process` passes.
    let code = unsafe { &mut *data.cast::<Code>() };
    // SAFETY: dl_iterate_phdr(3) passes a valid info.
    let info = unsafe { &*info };
    // SAFETY: dlpi_phdr points to dlpi_phnum program headers, dl_iterate_phdr(3).
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let is_code =
        |header: &&libc::Elf64_Phdr| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0;
    let ranges = headers.iter().filter(is_code).map(|header| {
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        start..start.wrapping_add(header.p_memsz)
    });
    // The program is the first.
    if code.all.is_empty() {
        code.program.extend(ranges.clone());
    }
    code.all.extend(ranges);
    0
}

struct Found {
    modules: Vec<Module>,
    copied: usize,
    seen: usize,
}

unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` is the Found that `loaded` passes.
    let found = unsafe { &mut *data.cast::<Found>() };
    // SAFETY: dl_iterate_phdr(3) passes a valid info; the image stays loaded during the callback.
    let info = unsafe { &*info };
    let is_program = found.seen == 0;
    found.seen += 1;
    if let Some(mut module) = read(info, is_program)
        && (is_program || found.keep(&mut module))
    {
        found.modules.push(module);
    }
    0
}

impl Found {
    fn keep(&mut self, module: &mut Module) -> bool {
        let bytes = module.eh_frame.bytes.len().saturating_add(module.eh_frame_hdr.bytes.len());
        if self.copied.saturating_add(bytes) > MAX_COPIED {
            return false;
        }
        self.copied += bytes;
        for section in [&mut module.eh_frame, &mut module.eh_frame_hdr] {
            section.bytes = Bytes::Copied(Arc::from(&*section.bytes));
        }
        true
    }
}

fn read(info: &libc::dl_phdr_info, is_program: bool) -> Option<Module> {
    // SAFETY: dlpi_phdr points to dlpi_phnum program headers, dl_iterate_phdr(3).
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let loads = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let code = || loads().filter(|header| header.p_flags & libc::PF_X != 0);
    let range = code().map(|header| header.p_vaddr).min()?
        ..code().map(|header| header.p_vaddr.saturating_add(header.p_memsz)).max()?;
    let hdr = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
    let hdr_range = hdr.p_vaddr..hdr.p_vaddr.checked_add(hdr.p_memsz)?;
    let inside = |address: u64| {
        loads()
            .map(|header| header.p_vaddr..header.p_vaddr.saturating_add(header.p_filesz))
            .find(|segment| segment.contains(&address))
    };
    if inside(hdr_range.start)?.end < hdr_range.end {
        return None;
    }
    let bias = info.dlpi_addr;
    let eh_frame_hdr = Section { address: hdr_range.start, bytes: mapped(bias, &hdr_range)? };
    let eh_frame_start = eh_frame_start(&eh_frame_hdr)?;
    let segment_end = inside(eh_frame_start)?.end;
    // The tables of a program can be 10 MB; looking for their end would make them all resident for nothing.
    let eh_frame_end = if is_program { segment_end } else { terminated(bias, eh_frame_start..segment_end)? };
    let eh_frame = Section { address: eh_frame_start, bytes: mapped(bias, &(eh_frame_start..eh_frame_end))? };
    // SAFETY: dlpi_name is a NUL-terminated string, or null for the program itself on some systems.
    let name = if info.dlpi_name.is_null() { c"" } else { unsafe { CStr::from_ptr(info.dlpi_name) } };
    Some(Module {
        name: name.to_string_lossy().into_owned(),
        bias,
        range: bias.wrapping_add(range.start)..bias.wrapping_add(range.end),
        eh_frame_hdr,
        eh_frame,
    })
}

/// Where `.eh_frame` begins according to its header. Every linker writes it relative to the field itself, as four
/// bytes (`DW_EH_PE_pcrel | DW_EH_PE_sdata4`); another form is not read.
fn eh_frame_start(header: &Section) -> Option<u64> {
    const PCREL_SDATA4: u8 = 0x1b;
    let bytes: &[u8] = &header.bytes;
    let (&[1, PCREL_SDATA4, ..], Some(&[a, b, c, d])) = (bytes, bytes.get(4..8)) else { return None };
    let offset = i64::from(i32::from_le_bytes([a, b, c, d]));
    header.address.checked_add(4)?.checked_add_signed(offset)
}

/// Where `.eh_frame` ends: behind the record of length zero, or with its segment. No header says so, and the
/// segment goes on with other data.
fn terminated(bias: u64, range: Range<u64>) -> Option<u64> {
    let bytes = mapped(bias, &range)?;
    let mut at = 0_usize;
    while let Some(&[a, b, c, d]) = bytes.get(at..at.checked_add(4)?) {
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        at = at.checked_add(4)?;
        if length == 0 {
            return Some(range.start + at as u64);
        }
        at = at.checked_add(length)?;
    }
    Some(range.end)
}

fn mapped(bias: u64, range: &Range<u64>) -> Option<Bytes> {
    let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
    let start = usize::try_from(bias.wrapping_add(range.start)).ok()?;
    // SAFETY: the callers checked that the range lies in the file part of one PT_LOAD segment, which is mapped and
    // readable as long as the image is loaded; whoever keeps the bytes for longer copies them unless the image is
    // the program itself, which is never unloaded. Nobody writes to unwind tables.
    let bytes = unsafe { slice::from_raw_parts(std::ptr::with_exposed_provenance(start), length) };
    Some(Bytes::Mapped(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_program_and_its_libraries() {
        let modules = loaded();
        let here = finds_the_program_and_its_libraries as *const () as u64;
        let program = modules.iter().find(|module| module.range.contains(&here)).expect("this program");
        assert!(matches!(program.eh_frame.bytes, Bytes::Mapped(_)));
        assert!(program.eh_frame.bytes.len() > 1000);
        let libc = modules.iter().find(|module| module.name.contains("libc.so")).expect("libc");
        assert!(matches!(libc.eh_frame.bytes, Bytes::Copied(_)));
        assert_eq!(generation(), generation());
        assert_ne!(generation(), Generation::default());
    }
}
