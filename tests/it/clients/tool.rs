//! The ways to use `go tool pprof` beside a report: sources, its pages, a session, flags that make a query, a token.

use std::path::Path;

use flamewatch_tests::Service;
use flamewatch_tests::go::Go;

use super::{REMEMBER, first};

/// Where the sources of the fixtures are, which a profile names by their path in the workspace.
fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    format!("-source_path={}", root.display())
}

/// Of the heap in `file`: the source of the function that remembers, with the bytes at its line.
#[track_caller]
pub(super) fn lists_the_source(go: &Go, file: &str) {
    let (listing, _) = go.pprof(&["-list=orders::remember$", &sources(), file]);
    assert!(listing.contains(&format!("ROUTINE ======================== {REMEMBER} in ")), "{listing}");
    let line = listing.lines().find(|line| line.contains("vec![0; ORDER_BYTES]"));
    let line = line.unwrap_or_else(|| panic!("no source in\n{listing}"));
    assert!(
        line.trim_start().starts_with(|digit: char| digit.is_ascii_digit()) && line.contains("MB"),
        "{line}"
    );
}

/// Of the heap in `file`: the pages of `pprof -http`, each naming the function.
#[track_caller]
pub(super) fn serves_pages(go: &Go, file: &str) {
    let serving = go.serve(&[file]);
    for path in ["/ui/flamegraph", "/ui/top", "/ui/peek?f=remember"] {
        let page = serving.page(path);
        assert!(page.contains("orders::remember"), "{path} does not name it");
    }
    // The function once more as what is focused on, by another of the values.
    let page = serving.page("/ui/top?si=alloc_space&f=cart");
    assert!(page.contains("leaky_shop::cart::"), "/ui/top by alloc_space does not name it");
}

/// Of the heap at `url`: what somebody types who looks around.
#[track_caller]
pub(super) fn answers_commands(go: &Go, url: &str) {
    let commands = "top 3\nsample_index=alloc_space\ntop 3\ncomments\ntags\npeek orders::remember$\nquit\n";
    let (said, complaints) = go.interactive(&[url], commands);
    assert!(
        complaints.contains("Entering interactive mode") && said.contains(REMEMBER),
        "{said}\n{complaints}"
    );
    assert!(said.contains("leaky_shop::cart::"), "the other value: {said}");
    assert!(said.contains("losses: ") && said.contains("trigger: asked for at the debug port"), "{said}");
    let refused = ["unrecognized", "parsing", "no matches", "failed"];
    assert!(!refused.iter().any(|word| complaints.contains(word)), "{complaints}");
}

/// The URL of `path` with `token` in it, for whoever can send no header.
pub(super) fn with_token(service: &Service, path: &str, token: &str) -> String {
    service.debug_url(path).replacen("http://", &format!("http://any:{token}@"), 1)
}

/// What Go's own servers get wrong, on a service with `token`.
#[track_caller]
pub(super) fn does_better_than_go(go: &Go, service: &Service, token: &str) {
    let url = |path: &str| with_token(service, path, token);
    // Go's differences open with another value than what they are differences of.
    let (allocs, _) = go.pprof(&["-top", "-seconds=1", &url("/debug/pprof/allocs")]);
    assert!(allocs.contains("Type: alloc_space\n") && allocs.contains("Duration: "), "{allocs}");
    // Two at a time: Go refuses the second. Both are fetched at once and added up.
    let cpu = url("/debug/pprof/profile");
    let (both, complaints) = go.pprof(&["-top", "-seconds=1", &cpu, &cpu]);
    assert!(both.contains("Type: cpu\n"), "{both}");
    assert!(!complaints.contains("500") && !complaints.contains("429"), "{complaints}");
    let lasted = both.lines().find_map(|line| line.strip_prefix("Duration: ")).unwrap_or_default();
    assert!(lasted.starts_with("2."), "two windows of a second: {both}");
    // The text of old: addresses alone, named by POST, with the token.
    let (text, _) = go.pprof(&["-top", &url("/debug/pprof/heap?debug=1")]);
    assert!(text.contains("Type: inuse_space\n"), "{text}");
    assert_eq!(first(&text).1, REMEMBER, "{text}");
}
