//! Where the frame pointer of a function is, by how the function begins: what it pushes and subtracts after it has set
//! it is as far as the stack pointer lies below it. For functions that sleep in a call, with a stack pointer known and a
//! frame pointer not.

use std::ops::Range;

use super::copy;
use super::modules::{self, Section};

/// Functions of all loaded images, by the search tables of their unwind information.
#[derive(Debug)]
pub(super) struct Functions(Vec<(Range<u64>, u64, Section)>);

/// No prologue is longer.
const PROLOGUE: usize = 64;

impl Functions {
    /// As loaded now.
    pub(super) fn loaded() -> Self {
        let modules = modules::loaded().into_iter();
        Self(modules.map(|module| (module.range, module.bias, module.eh_frame_hdr)).collect())
    }

    /// The start of the function that `pc` is in.
    pub(super) fn start(&self, pc: usize) -> Option<usize> {
        let pc = pc as u64;
        let (_, bias, table) = self.0.iter().find(|(range, ..)| range.contains(&pc))?;
        let start = start_in(&table.bytes, table.address, pc.wrapping_sub(*bias))?;
        usize::try_from(start.wrapping_add(*bias)).ok()
    }

    /// The frame pointer of the function that `pc` is in and whose stack pointer there is `sp`.
    pub(super) fn frame_pointer(&self, pc: usize, sp: usize) -> Option<usize> {
        let start = self.start(pc)?;
        let mut code = [0_usize; PROLOGUE / size_of::<usize>()];
        let copied = copy::words(start, &mut code);
        let bytes: Vec<u8> = code.iter().take(copied).flat_map(|word| word.to_le_bytes()).collect();
        // A function may not have come to the end of its own beginning.
        let reached = bytes.get(..pc.checked_sub(start)?.min(bytes.len()))?;
        sp.checked_add(distance(reached)?)
    }
}

/// The last entry at or before `address` in `.eh_frame_hdr`, which every linker writes in one form: a count, and pairs of
/// 32-bit offsets from the table's own address, sorted (Linux Standard Base 5.0, 10.6.2).
fn start_in(table: &[u8], table_address: u64, address: u64) -> Option<u64> {
    const FORM: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    const HEAD: usize = 12;
    const ENTRY: usize = 8;
    let word = |at: usize| Some(i32::from_le_bytes(table.get(at..at + 4)?.try_into().ok()?));
    if !table.starts_with(&FORM) {
        return None;
    }
    let count = usize::try_from(word(8)?).ok()?;
    let start = |index: usize| {
        let offset = word(HEAD.checked_add(index.checked_mul(ENTRY)?)?)?;
        Some(table_address.wrapping_add_signed(i64::from(offset)))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if start(middle)? <= address { low = middle + 1 } else { high = middle }
    }
    start(low.checked_sub(1)?)
}

/// How far the frame pointer lies above the stack pointer behind this prologue: `push rbp`, `mov rbp, rsp`, then pushes
/// of other registers and one subtraction.
#[cfg(target_arch = "x86_64")]
fn distance(code: &[u8]) -> Option<usize> {
    let code = code.strip_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]).unwrap_or(code);
    let mut rest = code.strip_prefix(&[0x55, 0x48, 0x89, 0xe5])?;
    let mut pushed = 0;
    loop {
        rest = match rest {
            [0x50..=0x57, rest @ ..] | [0x41, 0x50..=0x57, rest @ ..] => rest,
            _ => break,
        };
        pushed += size_of::<usize>();
    }
    match *rest {
        [0x48, 0x83, 0xec, bytes, ..] => Some(pushed + usize::from(bytes)),
        [0x48, 0x81, 0xec, a, b, c, d, ..] => pushed.checked_add(u32::from_le_bytes([a, b, c, d]) as usize),
        // Realigned stacks lie at a distance that only the running function knows.
        [0x48, 0x83, 0xe4, ..] | [0x48, 0x81, 0xe4, ..] => None,
        _ => Some(pushed),
    }
}

/// `add x29, sp, #n`, and what is subtracted afterwards.
#[cfg(target_arch = "aarch64")]
fn distance(code: &[u8]) -> Option<usize> {
    let mut found: Option<usize> = None;
    for bytes in code.chunks_exact(4) {
        let instruction = u32::from_le_bytes(bytes.try_into().ok()?);
        let immediate = (instruction >> 10 & 0xfff) as usize;
        match (found, instruction & 0xffc0_03ff) {
            (None, 0x9100_03fd) => found = Some(immediate),
            (Some(distance), 0xd100_03ff) => return Some(distance + immediate),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn prologues() {
        let check = |code: &[u8], expected| assert_eq!(distance(code), expected, "{code:x?}");
        check(&[0x55, 0x48, 0x89, 0xe5, 0x41, 0x57, 0x53, 0x48, 0x83, 0xec, 0x28, 0x90], Some(16 + 0x28));
        check(
            &[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0, 1, 0, 0, 0x90],
            Some(256),
        );
        check(&[0x55, 0x48, 0x89, 0xe5, 0x53, 0x90], Some(8));
        check(&[0x55, 0x48, 0x89, 0xe5, 0x53, 0x48, 0x83, 0xe4, 0xe0], None);
        check(&[0x55, 0x41, 0x57, 0x50], None);
    }

    #[test]
    fn a_function_is_found_by_what_lies_in_it() {
        let functions = Functions::loaded();
        let here = a_function_is_found_by_what_lies_in_it as *const () as usize;
        assert_eq!(functions.start(here + 9), Some(here));
        assert_eq!(functions.start(8), None);
    }

    #[test]
    fn a_damaged_table_finds_nothing() {
        let mut table = vec![1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0];
        table.extend([0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0]);
        let find = |table: &[u8], address| start_in(table, 0x1000, address);
        assert_eq!(
            [0x100f, 0x1010, 0x101f, 0x1020].map(|at| find(&table, at)),
            [None, Some(0x1010), Some(0x1010), Some(0x1020)]
        );
        table.truncate(20);
        assert_eq!(find(&table, 0x1030), None);
        table[3] = 0;
        assert_eq!(find(&table, 0x1010), None);
    }
}
