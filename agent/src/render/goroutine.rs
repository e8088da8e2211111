//! Tasks as Go prints its goroutines for `?debug=1`, the way `runtime/pprof` does it (`printCountProfile`): a line for
//! each stack with how many are there, its labels, and its frames. `go tool pprof` reads it, too.

use std::fmt::Write as _;

use crate::profile::{Frame, Function, Profile, Stack};

/// The width of a tab stop, as Go's tabwriter has it here.
const TAB: usize = 8;

/// `profile` in Go's text: `goroutine profile: total 5`, then each stack, those of the most tasks first.
///
/// Readers want a code address for each frame. A task has a line and no address; in its place stand numbers from 1 on,
/// one for each function.
#[must_use]
pub(crate) fn goroutine(profile: &Profile) -> String {
    let mut numbers = indexmap::IndexSet::new();
    let mut stacks: Vec<(i64, String)> = profile
        .iter()
        .filter(|stack| stack.value(0) != 0)
        .map(|stack| (stack.value(0), block(&stack, &mut numbers)))
        .collect();
    stacks.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    let mut text = format!("{} profile: total {}\n", profile.kind(), profile.total(0));
    for (count, block) in stacks {
        let _infallible = writeln!(text, "{count} {block}");
    }
    // Lines that begin so are no stacks to any reader. Go's own has none, but it has nothing to account for either.
    for line in profile.comments.iter().chain([&profile.losses.summary()]) {
        let _infallible = writeln!(text, "# {}", super::plain::plain(line));
    }
    text
}

/// All of a stack but its count: `@ 0x1`, its labels, and a line for each frame.
fn block<'p>(stack: &Stack<'p>, numbers: &mut indexmap::IndexSet<&'p Frame>) -> String {
    let mut labels = Vec::new();
    let mut lines = Vec::new();
    for frame in stack.frames() {
        let mut address =
            // Readers take one byte off again, as of what a call returns to.
            |known: u64| if known > 0 { known + 1 } else { numbers.insert_full(frame).0 as u64 + 1 };
        match frame {
            Frame::Label { key, value } => labels.push(format!("{}:{}", quoted(key), quoted(value))),
            Frame::Address(raw) => lines.push((raw.raw(), None)),
            Frame::Named(function) => lines.push((address(function.address), Some(&**function))),
        }
    }
    labels.sort_unstable();
    let addresses: String = lines.iter().map(|(address, _)| format!(" {address:#x}")).collect();
    let labels =
        if labels.is_empty() { String::new() } else { format!("\n# labels: {{{}}}", labels.join(", ")) };
    format!("@{addresses}{labels}\n{}", frames(&lines))
}

/// A line such as `# 0x1 shop::import+0x0 shop/src/orders.rs:88` for each frame, set in columns by tabs.
pub(super) fn frames(lines: &[(u64, Option<&Function>)]) -> String {
    let cells: Vec<[String; 3]> = lines
        .iter()
        .map(|(address, function)| {
            let name =
                function.map_or_else(String::new, |function| super::plain::plain(&function.name).into());
            let place =
                function.and_then(Function::place).map_or_else(|| "?:0".to_owned(), |place| one_word(&place));
            [format!("{address:#x}"), format!("{name}+0x0"), place]
        })
        .collect();
    let width = |column: usize| {
        let widths = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        (widths.max().unwrap_or(0) + 1).next_multiple_of(TAB)
    };
    let (addresses, names) = (width(0), width(1));
    let mut text = String::new();
    for ([address, name, place], (_, function)) in cells.iter().zip(lines) {
        let _infallible = match function {
            None => writeln!(text, "#\t{address}"),
            Some(_) => writeln!(text, "#\t{}{}{place}", tabbed(address, addresses), tabbed(name, names)),
        };
    }
    text
}

/// `cell` and as many tabs as bring the next one to `width`.
fn tabbed(cell: &str, width: usize) -> String {
    let tabs = width.saturating_sub(cell.chars().count()).div_ceil(TAB).max(1);
    format!("{cell}{}", "\t".repeat(tabs))
}

fn one_word(place: &str) -> String {
    super::plain::plain(place).replace(' ', "_")
}

/// `text` as Go quotes it (`%q`).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        let code = u32::from(char);
        let _infallible = match char {
            '"' | '\\' => write!(quoted, "\\{char}"),
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            '\0'..='\x1f' | '\x7f' => write!(quoted, "\\x{code:02x}"),
            other if super::plain::plain(other.encode_utf8(&mut [0; 4])).len() != other.len_utf8() => {
                write!(quoted, "\\u{code:04x}")
            }
            other => quoted.write_char(other),
        };
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Unit, ValueType};

    #[test]
    fn tasks_are_shown_as_go_shows_goroutines() {
        let mut profile = Profile::new("goroutine", [ValueType::new("goroutine", Unit::Count)]);
        let import = || Frame::named(Function::new("shop::import", "/b/shop/src/orders.rs", 88));
        let labels = [Frame::label("state", "waiting"), Frame::label("route", "GET /\"a\"\n\x1b[2J\u{202e}")];
        profile.add([import()].into_iter().chain(labels), &[3], 0);
        profile.add([import(), Frame::named(Function::new("shop::main\n9 @ 0x9", "", 0))], &[40], 0);
        profile.add([Frame::named(Function::new("gone", "", 0))], &[0], 0);
        profile.comments.push("shop, up\n7 @ 0x7".to_owned());
        let expected = "goroutine profile: total 43\n\
            40 @ 0x1 0x2\n\
            #\t0x1\tshop::import+0x0\t/b/shop/src/orders.rs:88\n\
            #\t0x2\tshop::main 9 @ 0x9+0x0\t?:0\n\
            \n\
            3 @ 0x1\n\
            # labels: {\"route\":\"GET /\\\"a\\\"\\n\\x1b[2J\\u202e\", \"state\":\"waiting\"}\n\
            #\t0x1\tshop::import+0x0\t/b/shop/src/orders.rs:88\n\
            \n\
            # shop, up 7 @ 0x7\n\
            # nothing known to be lost\n";
        assert_eq!(goroutine(&profile), expected);
    }
}
