//! The frame of every page, its style, and the escaping of every name that stands in one.

use std::fmt::{self, Display, Formatter, Write as _};

use axum::response::Response;

use super::answer;

/// Text in HTML, safe between tags and in quoted attributes. Names of functions, threads and routes come from
/// outside: a generic parameter or a request's path may hold anything.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => formatter.write_str("&amp;"),
            '<' => formatter.write_str("&lt;"),
            '>' => formatter.write_str("&gt;"),
            '"' => formatter.write_str("&quot;"),
            '\'' => formatter.write_str("&#39;"),
            other => formatter.write_char(other),
        })
    }
}

/// A page called `title` around `body`, which is HTML already.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = Escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} - flamewatch</title><link rel=\"stylesheet\" href=\"/debug/style.css\">\
         <link rel=\"icon\" href=\"data:,\"></head>\n<body><nav><a href=\"/debug/\">profiles</a> \
         <a href=\"/debug/snapshots\">snapshots</a> \
         <a href=\"/debug/alerts\">alerts</a> <a href=\"/debug/leaks\">leaks</a></nav>\n<h1>{title}</h1>\n{body}\n</body></html>\n"
    )
}

/// The style of the pages: the reader's own colors, readable on a telephone.
pub(super) async fn style() -> Response {
    answer::ok("text/css; charset=utf-8", include_str!("style.css"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out() {
        let escaped = Escaped("<img src=x onerror='alert(\"1\")'>&").to_string();
        assert_eq!(escaped, "&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt;&amp;");
    }
}
