//! Text made safe for Slack's mrkdwn, never longer than it may be. Rust symbols always hold `<` and `&`, and a
//! thread or route called `<!channel>` must not wake a whole channel.
//!
//! Lengths are counted in UTF-16 units of the escaped text: whichever way Slack counts, it does not count more.

/// The sign that something was cut.
const CUT: char = '…';

/// `text` on one line, plain, at most `limit` units long.
pub(super) fn clamped(text: &str, limit: usize) -> String {
    fitted(text, limit, |character, out| out.push(flat(character)))
}

/// `text` on one line, escaped for mrkdwn, at most `limit` units long.
pub(super) fn escaped(text: &str, limit: usize) -> String {
    fitted(text, limit, |character, out| escape(flat(character), out))
}

/// `text` as a code span of about `limit` units. It is cut in the middle: of a Rust path the end says most.
pub(super) fn code(text: &str, limit: usize) -> String {
    let room = limit.saturating_sub(2);
    let mut span = String::from("`");
    span.push_str(&escaped(&middle_cut(&text.replace('`', "'"), room), room));
    span.push('`');
    span
}

/// A link with `label`, or nothing when `url` is not one that Slack can carry.
pub(super) fn link(url: &str, label: &str) -> Option<String> {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let breaks_out =
        |character: char| character.is_whitespace() || character.is_control() || "<>|".contains(character);
    if !is_web || url.len() > 2_000 || url.contains(breaks_out) {
        return None;
    }
    Some(format!("<{}|{}>", url.replace('&', "&amp;"), escaped(&label.replace('|', "/"), 100)))
}

/// Writes the characters of `text` until `limit` is reached, then [`CUT`]. A character and its escape stay whole.
fn fitted(text: &str, limit: usize, write: impl Fn(char, &mut String)) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut fits_with_cut = 0;
    for character in text.trim().chars() {
        let before = out.len();
        write(character, &mut out);
        used += out.get(before..).map_or(0, units);
        if used > limit {
            out.truncate(fits_with_cut);
            out.push(CUT);
            return if limit == 0 { String::new() } else { out };
        }
        if used < limit {
            fits_with_cut = out.len();
        }
    }
    out
}

fn escape(character: char, out: &mut String) {
    match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    }
}

/// Line breaks would end a list item or a code span, and other controls have no business in a message.
fn flat(character: char) -> char {
    if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') { ' ' } else { character }
}

fn middle_cut(text: &str, limit: usize) -> String {
    let mut escaped_length = String::new();
    text.chars().for_each(|character| escape(character, &mut escaped_length));
    if units(&escaped_length) <= limit {
        return text.to_owned();
    }
    let head = taken(text.chars(), limit / 3);
    let tail = taken(text.chars().rev(), limit.saturating_sub(limit / 3 + 1));
    head.chars().chain([CUT]).chain(tail.chars().rev()).collect()
}

/// As many of `characters` as fit into `limit` units once escaped.
fn taken(characters: impl Iterator<Item = char>, limit: usize) -> String {
    let mut used = 0;
    let mut escaped = String::new();
    let fits = |character: &char| {
        escaped.clear();
        escape(*character, &mut escaped);
        used += units(&escaped);
        used <= limit
    };
    characters.take_while(fits).collect()
}

/// The length of `text` as Slack counts at most.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(actual: String, expected: &str) {
        assert_eq!(actual, expected);
    }

    #[test]
    fn nothing_pings_and_nothing_breaks_out() {
        check(escaped("<!channel> a & b", 100), "&lt;!channel&gt; a &amp; b");
        check(escaped("two\nlines\u{2028}three\0", 100), "two lines three ");
        check(code("<Vec<T> as Drop>::drop", 100), "`&lt;Vec&lt;T&gt; as Drop&gt;::drop`");
        check(code("a`<!here>`b", 100), "`a'&lt;!here&gt;'b`");
    }

    #[test]
    fn cut_between_characters_and_escapes() {
        check(escaped("abc", 3), "abc");
        check(escaped("abcd", 3), "ab…");
        check(escaped("ab<", 5), "ab…");
        check(escaped("ab<", 6), "ab&lt;");
        check(escaped("🔥🔥", 3), "🔥…");
        check(escaped("abc", 1), "…");
        check(escaped("abc", 0), "");
        check(clamped("a <b>", 5), "a <b>");
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        check(code("alloc::vec::Vec::with_capacity", 22), "`alloc:…with_capacity`");
        check(code("<<<<<<<<<<::push", 22), "`&lt;…&lt;::push`");
    }

    #[test]
    fn links_carry_no_markup() {
        let label = "open";
        assert_eq!(link("http://h:1/a?b=1&c=2", label).as_deref(), Some("<http://h:1/a?b=1&amp;c=2|open>"));
        assert_eq!(link("http://h/<!channel>", label), None);
        assert_eq!(link("http://h/a|b", label), None);
        assert_eq!(link("javascript:alert(1)", label), None);
        assert_eq!(link("http://h/\n", label), None);
    }

    proptest! {
        #[test]
        fn never_longer_than_allowed(text in "(?s).{0,60}", limit in 0_usize..40) {
            for made in [escaped(&text, limit), clamped(&text, limit), code(&text, limit + 2)] {
                prop_assert!(units(&made) <= limit + 2, "{made}");
            }
            prop_assert!(units(&escaped(&text, limit)) <= limit);
            prop_assert!(!escaped(&text, limit).contains(['<', '>']));
            prop_assert_eq!(code(&text, limit + 2).matches('`').count(), 2);
        }
    }
}
