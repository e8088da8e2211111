//! What stands in front of a return address: the call, and what it calls where the instruction itself says so. By the
//! bytes of the code, read as data: a word on a stack that happens to look like a return address hardly ever has one.

use super::copy;

/// The call in front of a return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To this address.
    To(usize),
    /// To where a register or a table says.
    Anywhere,
}

impl Call {
    /// The call that returns to `address`; `None` when there is none.
    pub(super) fn before(address: usize) -> Option<Self> {
        before(address)
    }
}

/// Intel SDM volume 2, CALL: `E8 rel32`, or `FF /2` with a register or memory operand of up to seven bytes.
#[cfg(target_arch = "x86_64")]
fn before(address: usize) -> Option<Call> {
    let bytes = copy::word(address.checked_sub(8)?)?.to_le_bytes();
    let [_, _, c, d, e, f, g, h] = bytes;
    let relative = || address.wrapping_add_signed(i32::from_le_bytes([e, f, g, h]) as isize);
    if d == 0xe8 {
        return Some(Call::To(jumps_on(relative())));
    }
    if (c, d) == (0xff, 0x15) {
        return Some(copy::word(relative()).map_or(Call::Anywhere, Call::To));
    }
    let is_call = |pair: &[u8]| matches!(pair, [0xff, operand] if operand >> 3 & 7 == 2);
    bytes.windows(2).skip(1).any(is_call).then_some(Call::Anywhere)
}

/// Where a call to a stub of the procedure linkage table goes: `endbr64`, `bnd` and then `jmp [rip + rel32]`.
#[cfg(target_arch = "x86_64")]
fn jumps_on(target: usize) -> usize {
    let (Some(low), Some(high)) = (copy::word(target), copy::word(target.wrapping_add(8))) else {
        return target;
    };
    let bytes: Vec<u8> = low.to_le_bytes().into_iter().chain(high.to_le_bytes()).collect();
    let start = if bytes.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa]) { 4 } else { 0 };
    let start = if bytes.get(start) == Some(&0xf2) { start + 1 } else { start };
    match bytes.get(start..start + 6) {
        Some(&[0xff, 0x25, a, b, c, d]) => {
            let slot =
                target.wrapping_add(start + 6).wrapping_add_signed(i32::from_le_bytes([a, b, c, d]) as isize);
            copy::word(slot).unwrap_or(target)
        }
        _ => target,
    }
}

/// Arm ARM C6.2: BL has its target in 26 bits, in steps of four; BLR has a register.
#[cfg(target_arch = "aarch64")]
fn before(address: usize) -> Option<Call> {
    let at = address.checked_sub(4)?;
    let instruction = (copy::word(at & !7)? >> (8 * (at & 4))) as u32;
    if instruction & 0xfc00_0000 == 0x9400_0000 {
        let offset = ((instruction << 6).cast_signed() >> 6) as isize * 4;
        return Some(Call::To(at.wrapping_add_signed(offset)));
    }
    (instruction & 0xffff_fc1f == 0xd63f_0000).then_some(Call::Anywhere)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// The bytes of some code and where its last instruction ends.
    fn check(code: &[u8], expected: Option<Call>) {
        let mut memory = [0x90_u8; 32];
        memory[16 - code.len()..16].copy_from_slice(code);
        let end = (&raw const memory).expose_provenance() + 16;
        let found = before(end);
        match (found, expected) {
            (Some(Call::To(to)), Some(Call::To(offset))) => assert_eq!(to, end + offset),
            _ => assert_eq!(found, expected, "{code:x?}"),
        }
    }

    #[test]
    fn calls_are_known_by_their_bytes() {
        check(&[0xe8, 0x04, 0, 0, 0], Some(Call::To(4)));
        check(&[0xff, 0xd0], Some(Call::Anywhere));
        check(&[0x41, 0xff, 0xd4], Some(Call::Anywhere));
        check(&[0xff, 0x50, 0x18], Some(Call::Anywhere));
        check(&[0xff, 0x94, 0x24, 0x80, 0, 0, 0], Some(Call::Anywhere));
        check(&[0x0f, 0x1f, 0x40, 0x00], None);
        check(&[0x48, 0x89, 0xe5], None);
    }
}
