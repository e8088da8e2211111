//! The frame of every page, its style, and the escaping of every name that stands in one.

use std::fmt::{self, Display, Formatter, Write as _};

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

/// The rooms of the port, in the order a reader in a hurry asks for them.
const ROOMS: [(&str, &str); 10] = [
    ("/debug/", "overview"),
    ("/debug/alerts", "alerts"),
    ("/debug/leaks", "leaks"),
    ("/debug/snapshots", "snapshots"),
    ("/debug/pprof/", "profiles"),
    ("/debug/tasks", "tasks"),
    ("/debug/threads", "threads"),
    ("/debug/routes", "routes"),
    ("/debug/memory", "memory"),
    ("/debug/doctor", "doctor"),
];

/// A page called `title` around `body`, which is HTML already, with `scripts`, which are modules of `viewer/`: the first runs, the
/// others are what it imports, so that a browser fetches all of them at once.
pub(super) fn scripted(title: &str, body: &str, scripts: &[&str]) -> String {
    let here = |name: &str| if name == title { " aria-current=\"page\"" } else { "" };
    let link = |(path, name): &(&str, &str)| format!("<a href=\"{path}\"{}>{name}</a> ", here(name));
    let rooms: String = ROOMS.iter().map(link).collect();
    let script = |(number, name): (usize, &&str)| match number {
        0 => format!("<script type=\"module\" src=\"/debug/viewer/{name}\"></script>"),
        _ => format!("<link rel=\"modulepreload\" href=\"/debug/viewer/{name}\">"),
    };
    let scripts: String = scripts.iter().enumerate().map(script).collect();
    let title = Escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} - flamewatch</title><link rel=\"stylesheet\" href=\"/debug/viewer/style.css\">\
         <link rel=\"icon\" href=\"data:,\">{scripts}</head>\n<body><nav aria-label=\"rooms\">{rooms}</nav>\n\
         <main><h1>{title}</h1>\n{body}\n</main></body></html>\n"
    )
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
