//! The addresses at which the debug info says something new: between two neighbors every address has the same answer.

use super::unit::{self, Header, Unit};
use super::{DebugInfo, aranges, entries, lines, ranges};

/// Hands every address at which answers may change to `note`, in no order and some of them often. Says how many
/// units could not be read to their end.
pub(crate) fn bounds(info: &mut DebugInfo<'_>, note: &mut dyn FnMut(u64)) -> usize {
    aranges::bounds(&mut info.own.aranges, note);
    let headers = unit::headers(&mut info.own.entries);
    let headers = headers.into_iter().filter(|header| header.may_have_code);
    headers.filter(|header| of_unit(info, *header, note).is_none()).count()
}

fn of_unit(info: &mut DebugInfo<'_>, header: Header, note: &mut dyn FnMut(u64)) -> Option<()> {
    let unit = Unit::read(&mut info.own, header)?;
    let whole = ranges::each(&mut info.own, &unit, unit.code, |low, high| {
        note(low);
        note(high);
    });
    let split = unit.split.as_ref().map(|split| (info.split)(split, unit.directory.as_deref()));
    let entries = match split {
        Some(Some(mut sections)) => match unit.rest(&mut sections, &info.own) {
            Some(rest) => entries::bounds(&mut sections, &rest, info.window, note),
            None => None,
        },
        // What is not found is counted by those who look for names.
        _ => entries::bounds(&mut info.own, &unit, info.window, note),
    };
    let lines = lines::bounds(&mut info.own, &unit, info.window, note);
    whole.and(entries).and(lines)
}
