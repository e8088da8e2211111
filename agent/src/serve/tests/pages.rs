//! The pages for people.

use super::{SCRIPT, Server};

#[test]
fn no_name_becomes_markup() {
    let server = Server::start();
    for path in [
        "/debug/",
        "/debug/pprof/",
        "/debug/snapshots",
        "/debug/top?profile=heap",
        "/debug/top?snapshot=b2&base=a1",
        "/debug/flame?snapshot=b2&base=a1",
    ] {
        let page = server.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert!(!page.text().contains(SCRIPT) && page.text().contains("&lt;script&gt;"), "{}", page.text());
    }
}

#[test]
fn the_index_tells_how_to_look_and_starts_nothing_long_by_a_click() {
    let server = Server::start();
    let page = server.get("/debug/pprof/");
    let text = page.text();
    assert!(
        text.contains(&format!("go tool pprof &#39;http://{}/debug/pprof/heap&#39;", server.address)),
        "{text}"
    );
    assert!(
        text.contains("<a href=\"/debug/pprof/heap?debug=1\">text</a>")
            && text.contains("<small>4,711</small>")
    );
    assert!(
        text.contains("<form action=\"/debug/pprof/profile\">")
            && !text.contains("<a href=\"/debug/pprof/profile")
            && !text.contains("href=\"/debug/flame?profile=profile")
    );
    for (from, to) in [("/", "/debug/"), ("/debug", "/debug/"), ("/debug/pprof", "/debug/pprof/")] {
        let answer = server.get(from);
        assert_eq!((answer.status, answer.header("location")), (307, to));
    }
}

#[test]
fn snapshots_are_listed_shown_and_subtracted() {
    let server = Server::start();
    let list: serde_json::Value =
        serde_json::from_slice(&server.get("/debug/snapshots?format=json").body).expect("json");
    assert_eq!(
        (list[1]["id"].as_str(), list[1]["taken"].as_str()),
        (Some("b2"), Some("2023-11-14T22:13:20Z"))
    );
    let list = server.get("/debug/snapshots");
    assert!(list.text().contains("href=\"/debug/snapshots/b2?format=text\""));
    assert!(list.text().contains("<input type=\"radio\" name=\"base\" value=\"a1\" data-kind=\"heap\""));
    let whole = server.get("/debug/snapshots/b2");
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"heap-b2.pb.gz\"");
    assert_eq!(whole.profile().total(3), 5 << 20);
    assert!(server.get("/debug/snapshots/b2?format=text").text().starts_with("heap: inuse_space 5 MiB"));
    let grown = server.get("/debug/snapshots/b2?base=a1");
    assert_eq!(grown.header("content-disposition"), "attachment; filename=\"heap-b2-delta.pb.gz\"");
    assert_eq!(grown.profile().total(3), 2 << 20);
}
