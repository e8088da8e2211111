//! An answer of the debug port: its head as Go's clients, browsers and scrapers need it, and the profile in it.

use crate::terms::{Origin, Terms};

/// An answer, and what was asked.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The path with its query: `/debug/pprof/heap?seconds=3`.
    pub target: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: &'a [(String, String)],
    /// The body as it came.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// What is wrong with it, as [`complaints`](crate::complaints), when profiles are of `origin`.
    #[must_use]
    pub fn complaints(&self, origin: Origin) -> Vec<String> {
        let mut found = self.everywhere();
        match self.status {
            200 => {
                let terms = Terms::asked(self.target);
                let terms =
                    terms.map(|terms| Terms { origin, kind: terms.kind.or_else(|| self.kind()), ..terms });
                found.extend(self.of_success(terms.is_some()));
                found.extend(terms.iter().flat_map(|terms| crate::complaints(self.body, terms)));
            }
            400.. => found.extend(self.of_refusal()),
            _ => {}
        }
        found
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A complaint when the header `name` is not as it should be.
    fn expect(&self, name: &str, right: impl Fn(Option<&str>) -> bool) -> Option<String> {
        let found = self.header(name);
        (!right(found)).then(|| format!("http/{name}: {found:?} with status {}", self.status))
    }

    /// What keeps browsers from taking one thing for another, and others from reading along.
    fn everywhere(&self) -> Vec<String> {
        let is = |expected: &'static str| move |found: Option<&str>| found == Some(expected);
        let checks = [
            self.expect("x-content-type-options", is("nosniff")),
            self.expect("cache-control", is("no-store")),
            self.expect("cross-origin-resource-policy", is("same-origin")),
            self.expect("referrer-policy", is("no-referrer")),
            self.expect("content-security-policy", |found| {
                found.is_some_and(|found| found.contains("default-src 'none'"))
            }),
            self.expect("access-control-allow-origin", |found| found.is_none()),
            self.expect("content-length", |found| {
                found.is_none_or(|length| length == self.body.len().to_string())
            }),
        ];
        checks.into_iter().flatten().collect()
    }

    /// Alloy takes `application/octet-stream` alone; pprof names its file after what it fetched; a second gzip around
    /// the first would reach whoever saves it with curl.
    fn of_success(&self, profile: bool) -> Vec<String> {
        if !profile {
            let checks = [
                self.expect("content-disposition", |found| found.is_none()),
                self.expect("content-type", |found| found.is_some()),
                self.expect("x-go-pprof", |found| found.is_none()),
            ];
            return checks.into_iter().flatten().collect();
        }
        let name = self.file_name();
        let is_file = |found: Option<&str>| {
            let file =
                found.and_then(|found| found.strip_prefix("attachment; filename=\"")?.strip_suffix('"'));
            file.is_some_and(|file| {
                // By every event, with the lock profile, these two are differences as Go's are; by the wall clock not.
                let file = ["mutex-delta", "block-delta"]
                    .iter()
                    .find(|delta| **delta == file)
                    .map_or(file, |delta| &delta[..5]);
                name.as_deref().map_or_else(|| file.ends_with(".pb.gz"), |name| file == name)
            })
        };
        let checks = [
            self.expect("content-type", |found| found == Some("application/octet-stream")),
            self.expect("content-disposition", is_file),
            self.expect("content-length", |found| found.is_some()),
            self.expect("content-encoding", |found| found.is_none()),
            self.expect("x-go-pprof", |found| found.is_none()),
        ];
        checks.into_iter().flatten().collect()
    }

    /// The kind of a snapshot, which its file's name begins with.
    fn kind(&self) -> Option<String> {
        let file = self.header("content-disposition")?.split_once("filename=\"")?.1;
        Some(file.split('-').next()?.to_owned())
    }

    /// Go's name for the file: `heap`, `heap-delta`. Snapshots have names of their own.
    fn file_name(&self) -> Option<String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let name = path.strip_prefix("/debug/pprof/").or_else(|| path.strip_prefix("/debug/"))?;
        if name.contains('/') {
            return None;
        }
        let delta = matches!(Terms::asked(self.target)?.span, crate::Span::Delta(_));
        Some(format!("{name}{}", if delta { "-delta" } else { "" }))
    }

    /// pprof shows its user what a refusal says, if it is marked as Go marks it (`internal/driver/fetch.go`,
    /// `statusCodeError`).
    fn of_refusal(&self) -> Vec<String> {
        let text = std::str::from_utf8(self.body).unwrap_or_default();
        let sentence = (text.trim().is_empty() || text.trim().contains('\n') || !text.ends_with('\n'))
            .then(|| format!("http/refusal: {text:?} is no line"));
        let checks = [
            self.expect("x-go-pprof", |found| found == Some("1")),
            self.expect("content-type", |found| found.is_some_and(|found| found.starts_with("text/plain"))),
            self.expect("content-disposition", |found| found.is_none()),
            self.expect("www-authenticate", |found| found.is_some() == (self.status == 401)),
            self.expect("retry-after", |found| found.is_some() || self.status != 429),
            sentence,
        ];
        checks.into_iter().flatten().collect()
    }
}
