//! The pages for people.

use super::{BROWSER, SCRIPT, Server};

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
        "/debug/flame?profile=heap&base=a1",
        "/debug/tasks",
    ] {
        let page = server.request("GET", path, &[BROWSER], b"");
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
    let since = "href=\"/debug/flame?profile=heap&amp;base=a1\"";
    assert!(list.text().contains(since), "{}", list.text());
    let grown = server.get("/debug/snapshots/b2?base=a1");
    assert_eq!(grown.header("content-disposition"), "attachment; filename=\"heap-b2-delta.pb.gz\"");
    assert_eq!(grown.profile().total(3), 2 << 20);
}

/// The heap of the tests holds a MiB more each time it is asked for, and 3 MiB in the snapshot.
#[test]
fn what_is_there_now_is_compared_with_a_snapshot() {
    let server = Server::start();
    let now: Vec<i64> =
        (0..5).map(|_| server.get("/debug/pprof/heap?base=a1")).map(|now| now.profile().total(3)).collect();
    assert_eq!(now, [-2 << 20, -1 << 20, 0, 1 << 20, 2 << 20]);
    let less = server.get("/debug/pprof/heap?base=a1");
    assert_eq!(less.header("content-disposition"), "attachment; filename=\"heap-delta\"");
    let page = server.get("/debug/flame?profile=heap&base=a1");
    let text = page.text();
    assert!(text.contains("<h1>heap: now less a1</h1>") && text.contains(" data-delta=\"1\""), "{text}");
    assert!(text.contains("data-source=\"/debug/pprof/heap?base=a1&amp;owners=1\""), "{text}");
    assert!(server.get("/debug/top?profile=heap&base=a1").text().contains("<td>4 MiB<td>"));
    for (path, status) in [
        ("/debug/pprof/heap?base=gone", 404),
        ("/debug/pprof/heap?base=c3", 400),
        ("/debug/pprof/heap?base=a1&seconds=1", 400),
        ("/debug/flame?profile=heap&base=c3", 400),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(server.request(method, path, &[], b"").status, status, "{method} {path}");
        }
    }
}
