//! Memory as Go prints it for `?debug=1` (`runtime/pprof`, `writeHeapInternal`): what is in use and what was ever allocated on
//! each stack. `go tool pprof` reads it, and has the addresses named by `/debug/pprof/symbol`. For people the table of the
//! top functions stands above, behind `#`, where no reader looks for stacks.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io;

use super::goroutine::frames;
use super::text;
use crate::profile::{Frame, Function, Profile, Stack};

/// The most stacks that are printed; the others are added up on one line that is nowhere. At 40 frames of 120 bytes, 5 MB.
const MAX_STACKS: usize = 1_000;

/// The four values that Go prints of a stack. Where nobody counted what was ever allocated, it is what is there.
const VALUES: [(&str, &str); 4] = [
    ("inuse_objects", "inuse_objects"),
    ("inuse_space", "inuse_space"),
    ("alloc_objects", "inuse_objects"),
    ("alloc_space", "inuse_space"),
];

/// `profile` in Go's text. Values are whole: the kind `heapprofile` tells readers not to scale them up.
///
/// # Errors
/// None that is not one of memory's.
pub(super) fn write(profile: &Profile) -> io::Result<String> {
    let mut table = Vec::new();
    text::write(profile, profile.default_value, &mut table)?;
    let indices = VALUES.map(|(name, instead)| {
        profile.value_index(name).or_else(|| profile.value_index(instead)).unwrap_or(usize::MAX)
    });
    let mut stacks: Vec<Stack<'_>> = profile.iter().collect();
    stacks.sort_by_key(|stack| Reverse(stack.value(profile.default_value)));
    let mut text =
        format!("heap profile: {} @ heapprofile\n", counts(indices.map(|index| profile.total(index))));
    for line in String::from_utf8_lossy(&table).lines() {
        let _infallible = writeln!(text, "# {line}");
    }
    let mut rest = [0_i64; 4];
    for (number, stack) in stacks.iter().enumerate() {
        let values = indices.map(|index| stack.value(index));
        if number >= MAX_STACKS {
            rest.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(value));
            continue;
        }
        let (addresses, lines) = walked(stack);
        let addresses: String = addresses.iter().map(|address| format!(" {address:#x}")).collect();
        let _infallible = write!(text, "\n{} @{addresses}\n{}", counts(values), frames(&lines));
    }
    if let Some(more @ 1..) = stacks.len().checked_sub(MAX_STACKS) {
        let _infallible = write!(text, "\n{} @\n#\t{more} more stacks\n", counts(rest));
    }
    Ok(text)
}

fn counts([objects, space, allocated, bytes]: [i64; 4]) -> String {
    format!("{objects}: {space} [{allocated}: {bytes}]")
}

/// The addresses of a stack, each once however many functions are inlined there, and every function. Readers take them for
/// what a call returns to, one byte behind the call.
fn walked<'p>(stack: &Stack<'p>) -> (Vec<u64>, Vec<(u64, Option<&'p Function>)>) {
    let (mut addresses, mut lines) = (Vec::new(), Vec::new());
    let mut inlined = false;
    for frame in stack.frames() {
        let (address, function, within) = match frame {
            Frame::Label { .. } => continue,
            Frame::Address(address) => (address.lookup(), None, false),
            Frame::Named(function) => (function.address, Some(&**function), function.inlined),
        };
        let address = address.saturating_add(1);
        if !inlined && address > 1 {
            addresses.push(address);
        }
        inlined = within;
        lines.push((address, function));
    }
    (addresses, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ValueType;
    use crate::{Unit, profile};

    #[test]
    fn memory_is_shown_as_go_shows_it() {
        let shown = super::super::shown::of(&super::super::tests::heap(), false).into_owned();
        let text = write(&shown).expect("memory takes everything");
        super::super::tests::golden("heap.debug.txt", &text);
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("heap profile: ")));
        let stacks = text.lines().filter(|line| line.contains("] @ 0x")).count();
        assert!(stacks > 1 && stacks <= shown.len(), "{text}");
    }

    #[test]
    fn past_the_bound_stacks_are_added_up() {
        let values =
            [ValueType::new("inuse_objects", Unit::Count), ValueType::new("inuse_space", Unit::Bytes)];
        let mut large = Profile::new("heap", values);
        for number in 1..=1_007_i64 {
            large.add([Frame::Address(profile::Addr::Pc(number.unsigned_abs()))], &[1, number], 1);
        }
        let text = write(&large).expect("memory takes everything");
        assert!(text.starts_with("heap profile: 1007: 507528 [1007: 507528] @ heapprofile\n"), "{text}");
        assert!(text.ends_with("\n7: 28 [7: 28] @\n#\t7 more stacks\n"), "{text}");
    }
}
