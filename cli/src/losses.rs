//! What a flamewatch profile says of itself is missing, made true again when names were added to it. Pure.

use crate::proto;
use crate::tables::Tables;

/// How the remark begins, as flamewatch writes it.
const LOSSES: &str = "losses: ";

/// How the part about names ends.
const NAMELESS: &str = " addresses without a name";

/// Corrects the number of addresses without a name in the remarks of `message`: there are `unnamed`. Other remarks, and those
/// that do not speak of names, stay.
pub(crate) fn correct(message: &mut proto::Profile, tables: &mut Tables, unnamed: usize) {
    for position in 0..message.comment.len() {
        let Some(index) = message.comment.get(position).and_then(|index| usize::try_from(*index).ok()) else {
            continue;
        };
        let Some(corrected) = message.string_table.get(index).and_then(|remark| corrected(remark, unnamed))
        else {
            continue;
        };
        let index = tables.string(message, &corrected);
        if let Some(comment) = message.comment.get_mut(position) {
            *comment = index;
        }
    }
}

fn corrected(remark: &str, unnamed: usize) -> Option<String> {
    let parts: Vec<&str> = remark.strip_prefix(LOSSES)?.split(", ").collect();
    let at = parts.iter().position(|part| part.ends_with(NAMELESS))?;
    let left = (unnamed > 0).then(|| format!("{unnamed}{NAMELESS}"));
    let of_part = |(index, part): (usize, &&str)| {
        if index == at { left.clone() } else { Some((*part).to_owned()) }
    };
    let parts: Vec<String> = parts.iter().enumerate().filter_map(of_part).collect();
    let all = if parts.is_empty() { "nothing known to be lost".to_owned() } else { parts.join(", ") };
    Some(format!("{LOSSES}{all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_names_changes() {
        let check = |remark: &str, unnamed, expected: Option<&str>| {
            assert_eq!(corrected(remark, unnamed).as_deref(), expected, "{remark}");
        };
        check("losses: 85 addresses without a name", 0, Some("losses: nothing known to be lost"));
        check("losses: 85 addresses without a name", 3, Some("losses: 3 addresses without a name"));
        check(
            "losses: dropped 2 samples, 85 addresses without a name, coverage 97 %",
            0,
            Some("losses: dropped 2 samples, coverage 97 %"),
        );
        check("losses: coverage 97 %", 0, None);
        check("85 addresses without a name", 0, None);
    }
}
