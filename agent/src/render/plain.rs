//! Names made harmless for a terminal. They come from outside: a route, a task's name or a segment may hold a line break,
//! a terminal's command, or a mark that turns the rest of the line around.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` on one line, without what a terminal obeys: breaks become blanks, the rest is spelt out as `\u{1b}`.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\n' | '\r' | '\t' => shown.push(' '),
            hidden if is_hidden(hidden) => {
                let _infallible = write!(shown, "{}", hidden.escape_unicode());
            }
            other => shown.push(other),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those that show nothing themselves but change how others show.
const fn is_hidden(char: char) -> bool {
    matches!(
        char,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check("GET /é/{id}", "GET /é/{id}");
        check("a\nb\r\tc", "a b  c");
        check("\x1b[2J\x07\u{9b}31m", "\\u{1b}[2J\\u{7}\\u{9b}31m");
        check("abc\u{202e}cba\u{2028}", "abc\\u{202e}cba\\u{2028}");
    }
}
