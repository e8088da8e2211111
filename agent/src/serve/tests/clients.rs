//! Who asks and how: methods, names, tokens, other sites, symbols.

use super::Server;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

#[test]
fn other_methods_are_refused_with_what_is_allowed() {
    let server = Server::start();
    for (method, path, allowed) in [
        ("POST", "/debug/pprof/heap", "GET,HEAD"),
        ("DELETE", "/debug/snapshots/a1", "GET,HEAD"),
        ("PUT", "/debug/pprof/symbol", "GET,HEAD,POST"),
    ] {
        let answer = server.request(method, path, &[], b"");
        assert_eq!((answer.status, answer.header("x-go-pprof")), (405, "1"), "{method} {path}");
        let mut methods: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
}

#[test]
fn symbols_by_get_and_by_post() {
    let server = Server::start();
    let here = symbols_by_get_and_by_post as *const () as usize;
    let expected = format!("num_symbols: 1\n{here:#x} {}::symbols_by_get_and_by_post\n", module_path!());
    assert_eq!(server.get(&format!("/debug/pprof/symbol?{here:#x}+0x99")).text(), expected);
    let asked = format!("{here:#x}+0x99+rubbish");
    assert_eq!(server.request("POST", "/debug/pprof/symbol", &[], asked.as_bytes()).text(), expected);
    assert_eq!(server.get("/debug/pprof/symbol").text(), "num_symbols: 1\n");
    let long = server.request("POST", "/debug/pprof/symbol", &[], &vec![b'+'; (64 << 10) + 1]);
    assert_eq!((long.status, long.header("x-go-pprof")), (413, "1"));
}

#[test]
fn the_command_line_is_the_name_alone() {
    assert_eq!(Server::start().get("/debug/pprof/cmdline").text(), "shop");
}

#[test]
fn a_name_it_was_not_told_is_not_answered_to() {
    let server = Server::start();
    for host in ["evil.example", "127.0.0.1.evil.example", ""] {
        assert_eq!(server.request("GET", "/debug/pprof/heap", &[("Host", host)], b"").status, 421, "{host}");
    }
    assert_eq!(server.request("GET", "http://evil.example/debug/pprof/heap", &[], b"").status, 421);
    assert_eq!(server.request("GET", "/debug/pprof/heap", &[("Host", "localhost")], b"").status, 200);
}

#[test]
fn pages_of_other_sites_get_nothing_but_links_to_snapshots_can_be_followed() {
    let server = Server::start();
    let cross = ("Sec-Fetch-Site", "cross-site");
    let followed = [cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    assert_eq!(server.request("GET", "/debug/pprof/heap", &[cross], b"").status, 403);
    assert_eq!(server.request("GET", "/debug/pprof/heap", &followed, b"").status, 403);
    assert_eq!(
        server.request("GET", "/debug/pprof/heap", &[("Origin", "http://evil.example")], b"").status,
        403
    );
    assert_eq!(server.request("GET", "/debug/snapshots/a1?format=text", &followed, b"").status, 200);
    assert_eq!(server.request("GET", "/debug/snapshots/a1?format=text", &[cross], b"").status, 403);
    assert_eq!(server.request("GET", "/debug/flame?snapshot=a1", &followed, b"").status, 200);
    assert_eq!(server.request("GET", "/debug/flame?profile=heap", &followed, b"").status, 403);
    assert_eq!(server.request("GET", "/debug/top?profile=heap", &followed, b"").status, 403);
}

#[test]
fn a_token_guards_everything() {
    let server = Server::with_token(Some("hunter2"));
    for path in [
        "/",
        "/debug/",
        "/debug/health",
        "/debug/pprof/heap",
        "/debug/pprof/symbol",
        "/debug/viewer/style.css",
        "/debug/flame?profile=heap",
        "/debug/history",
        "/x",
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("x-go-pprof")), (401, "1"), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{}", answer.head);
    }
    let basic = format!("Basic {}", BASE64_STANDARD.encode("me:hunter2"));
    for shown in [basic.as_str(), "Bearer hunter2"] {
        assert_eq!(
            server.request("GET", "/debug/pprof/heap", &[("Authorization", shown)], b"").profile().len(),
            1
        );
        let page = server.request("GET", "/debug/", &[("Authorization", shown)], b"");
        assert!(page.text().contains("x:$TOKEN@") && !page.text().contains("hunter2"));
    }
    assert_eq!(
        server.request("GET", "/debug/pprof/heap", &[("Authorization", "Bearer hunter3")], b"").status,
        401
    );
}
