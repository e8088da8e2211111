//! The frame of every page, its style, and the escaping of every name that stands in one.

use std::fmt::{self, Display, Formatter, Write as _};

use axum::body::to_bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answer::{self, Refusal};

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
const ROOMS: [(&str, &str); 9] = [
    ("/debug/", "overview"),
    ("/debug/alerts", "alerts"),
    ("/debug/leaks", "leaks"),
    ("/debug/snapshots", "snapshots"),
    ("/debug/pprof/", "profiles"),
    ("/debug/tasks", "tasks"),
    ("/debug/threads", "threads"),
    ("/debug/routes", "routes"),
    ("/debug/memory", "memory"),
];

/// A page called `title` around `body`, which is HTML already.
pub(super) fn page(title: &str, body: &str) -> String {
    scripted(title, body, &[])
}

/// The same with `scripts`, which are modules of `viewer/`.
pub(super) fn scripted(title: &str, body: &str, scripts: &[&str]) -> String {
    let here = |name: &str| if name == title { " aria-current=\"page\"" } else { "" };
    let link = |(path, name): &(&str, &str)| format!("<a href=\"{path}\"{}>{name}</a> ", here(name));
    let rooms: String = ROOMS.iter().map(link).collect();
    let script = |name: &&str| format!("<script type=\"module\" src=\"/debug/viewer/{name}\"></script>");
    let scripts: String = scripts.iter().map(script).collect();
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

/// The tables that are text for terminals. A browser that opens one gets the same text on a page, with a way back.
const TEXTS: [&str; 5] = ["tasks", "routes", "segments", "memory", "threads"];

/// The most of a text that is put on a page; a longer one stays as it is.
const MAX_TEXT: usize = 16 << 20;

/// Whether a person with a browser asks for a text, and for which.
pub(super) struct Browsed(Option<&'static str>);

impl Browsed {
    /// As the head of `request` tells.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let name = request.uri().path().strip_prefix("/debug/");
        let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
        let chosen = |part: &str| part.starts_with("format=") || part.starts_with("debug=");
        let plain = request.uri().query().is_none_or(|query| !query.split('&').any(chosen));
        let by_browser = request.method() == Method::GET
            && accepted.is_some_and(|accepted| accepted.contains("text/html"));
        Self(TEXTS.into_iter().find(|text| by_browser && plain && name == Some(*text)))
    }

    /// The same answer on a page, where it is a text for a browser.
    pub(super) async fn framed(self, response: Response) -> Response {
        let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == answer::TEXT);
        match self.0 {
            Some(title) if is_text && response.status() == StatusCode::OK => {
                let Ok(text) = to_bytes(response.into_body(), MAX_TEXT).await else {
                    return Refusal::invalid("too long for a page; ask for ?format=text").into_response();
                };
                let text = String::from_utf8_lossy(&text);
                answer::ok(
                    answer::HTML,
                    page(title, &format!("{}<pre>{}</pre>", forms(title), Escaped(&text))),
                )
            }
            _ => response,
        }
    }
}

/// The other forms of a table.
fn forms(title: &str) -> String {
    let link = |query: &str, words: &str| format!("<a href=\"/debug/{title}?{query}\">{words}</a> ");
    let text = if title == "threads" {
        link("debug=2", "text") + "<a href=\"/debug/flame?profile=threads\">flame graph</a> "
    } else {
        link("format=text", "text")
    };
    format!("<p class=\"links\">{text}{}</p>", link("format=json", "JSON"))
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
