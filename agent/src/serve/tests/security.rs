//! What is promised of the debug port in `docs/security.md`, line by line, each with the tests that hold us to it; and those
//! tests that ask every page there is.

use std::sync::atomic::Ordering;

use super::Server;

/// The promises. A name is `file::test` of this crate, or `it/file::test` of the end-to-end tests.
const LIST: &[(&str, &[&str])] = &[
    (
        "no address but loopback without a token, with TLS neither",
        &[
            "access::a_port_that_others_can_reach_needs_a_token",
            "it/settings::a_port_that_strangers_can_reach_needs_a_token",
        ],
    ),
    (
        "a unix socket is its owner's alone (0600), replaces a dead one's, nothing else, and is removed",
        &[
            "local::it_is_its_owners_alone_and_goes_with_him",
            "local::a_dead_ones_is_replaced_and_a_living_ones_is_not",
            "local::what_is_no_socket_is_left_alone",
            "local::of_many_that_start_at_once_one_listens",
            "doors::a_unix_socket_needs_no_token_but_honors_one_and_ends_with_the_port",
            "it/settings::a_unix_socket_outlives_no_process_that_ends_well_and_stops_none_that_comes_after_a_crash",
        ],
    ),
    (
        "TLS from two files, which are read again; bad ones are an error at start",
        &[
            "doors::tls_is_spoken_and_pages_know_it",
            "doors::files_that_change_are_read_again_and_those_that_make_no_sense_are_not_taken",
            "doors::files_that_are_none_are_refused_by_name",
            "port::a_certificate_needs_its_key_and_a_key_its_certificate",
        ],
    ),
    (
        "the token by Basic (any user) or Bearer, on every page; 16 characters at least",
        &[
            "access::the_token_comes_as_basic_or_bearer",
            "access::a_short_token_is_none",
            "clients::a_token_guards_everything",
            "security::nothing_is_told_without_the_token",
        ],
    ),
    ("compared in constant time", &["access::a_guess_takes_as_long_wherever_it_is_wrong"]),
    (
        "names it was not told are answered 421",
        &["access::only_known_names_are_answered_to", "clients::a_name_it_was_not_told_is_not_answered_to"],
    ),
    (
        "what a page of another site asks is answered 403, GET or not",
        &[
            "access::pages_of_other_sites_are_turned_away",
            "clients::pages_of_other_sites_get_nothing_but_links_to_snapshots_can_be_followed",
            "security::no_page_answers_another_site",
        ],
    ),
    (
        "no request changes anything, so none needs a header of ours; what is asked from outside by POST is signed or bears a token",
        &["security::nothing_can_be_changed", "tests::nobody_else_is_let_in"],
    ),
    (
        "a strict CSP without unsafe-inline, flame graphs in a sandbox, no CORS header",
        &["security::every_answer_bears_the_same_armor", "security::a_flame_graph_is_in_a_sandbox"],
    ),
    ("names cannot become markup", &["pages::no_name_becomes_markup"]),
    (
        "seconds is read strictly and has a cap",
        &["ask::queries", "profiles::refusals_can_be_read_in_a_terminal"],
    ),
    (
        "four profiles at a time, one dump at a time; 429 says when to come back",
        &[
            "limits::four_at_a_time_the_fifth_is_told_when_to_come_back",
            "limits::what_is_there_now_is_collected_one_at_a_time",
        ],
    ),
    (
        "5 s for a head, with the handshake, and for a body",
        &[
            "limits::a_head_that_dribbles_in_is_cut_off",
            "limits::a_body_that_dribbles_in_is_cut_off",
            "doors::a_handshake_that_dribbles_in_is_cut_off",
        ],
    ),
    (
        "32 connections, of which a crowd that says nothing keeps none",
        &[
            "limits::connections_past_the_bound_wait_for_a_seat",
            "limits::a_crowd_that_says_nothing_makes_room_one_by_one",
            "limits::who_is_not_let_in_is_not_kept",
        ],
    ),
    (
        "heads of 16 KiB (431), bodies of 64 KiB (413)",
        &["limits::a_large_head_is_refused", "clients::symbols_by_get_and_by_post"],
    ),
    (
        "who leaves frees the sampler within a second",
        &[
            "limits::who_leaves_is_missed_within_a_second",
            "tests/floods::floods_are_not_noticed_and_leave_nothing_behind",
        ],
    ),
    ("HEAD is cheap", &["security::a_head_costs_nothing_anywhere"]),
    (
        "no argument, environment or secret anywhere",
        &[
            "clients::the_command_line_is_the_name_alone",
            "config::a_secret_is_not_shown",
            "it/outlets::a_service_tells_everybody_and_shows_no_secret",
        ],
    ),
];

/// The sources that tests of the list are in.
const SOURCES: &[(&str, &str)] = &[
    ("access", include_str!("../access.rs")),
    ("ask", include_str!("../ask.rs")),
    ("local", include_str!("../local.rs")),
    ("config", include_str!("../../config/tests.rs")),
    ("port", include_str!("../../config/port.rs")),
    ("tests", include_str!("../../inbound/tests.rs")),
    ("clients", include_str!("clients.rs")),
    ("doors", include_str!("doors.rs")),
    ("limits", include_str!("limits.rs")),
    ("pages", include_str!("pages.rs")),
    ("profiles", include_str!("profiles.rs")),
    ("security", include_str!("security.rs")),
    ("tests/floods", include_str!("../../../../tests/floods.rs")),
    ("it/outlets", include_str!("../../../../tests/it/outlets.rs")),
    ("it/settings", include_str!("../../../../tests/it/settings.rs")),
];

#[test]
fn every_promise_has_its_tests() {
    for name in LIST.iter().flat_map(|(_, tests)| *tests) {
        let (file, test) = name.rsplit_once("::").expect("file::test");
        let source = SOURCES.iter().find(|(known, _)| *known == file);
        let source = source.unwrap_or_else(|| panic!("{file} is not among the sources")).1;
        assert!(
            source.contains(&format!("#[test]\nfn {test}() {{"))
                || source.contains(&format!("    #[test]\n    fn {test}() {{"))
                || source.contains(&format!("#[tokio::test]\nasync fn {test}() {{")),
            "there is no test {name}"
        );
    }
}

/// Every page of the port, taken from the router itself, so that none is forgotten; and some in their other forms.
fn pages() -> Vec<String> {
    let routes =
        include_str!("../mod.rs").split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let pages = routes.flat_map(|route| match route {
        "/debug/pprof/{name}" => vec![
            "/debug/pprof/heap".to_owned(),
            "/debug/pprof/profile?seconds=1".to_owned(),
            "/debug/pprof/mutex?debug=1".to_owned(),
            "/debug/pprof/goroutine?debug=2".to_owned(),
            "/debug/pprof/threadcreate?debug=2".to_owned(),
        ],
        "/debug/snapshots/{id}" => vec!["/debug/snapshots/a1".to_owned()],
        "/debug/viewer/{name}" => vec!["/debug/viewer/style.css".to_owned()],
        "/debug/flame" | "/debug/top" => {
            vec![format!("{route}?profile=heap"), format!("{route}?snapshot=a1")]
        }
        route => vec![route.to_owned()],
    });
    let pages: Vec<String> = pages.chain(["/nothing".to_owned()]).collect();
    assert!(pages.len() > 25 && pages.iter().all(|page| !page.contains('{')), "{pages:?}");
    pages
}

#[test]
fn every_answer_bears_the_same_armor() {
    const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
                          'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let server = Server::start();
    let own = format!("http://{}", server.address);
    for page in pages() {
        for (method, headers) in [
            ("GET", &[("Origin", own.as_str())][..]),
            ("HEAD", &[]),
            ("OPTIONS", &[("Origin", "http://evil.example"), ("Access-Control-Request-Method", "GET")]),
            ("GET", &[("Host", "evil.example")]),
        ] {
            let answer = server.request(method, &page, headers, b"");
            let what = format!("{method} {page}: {}", answer.head);
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
                ("content-security-policy", STRICT),
            ] {
                assert_eq!(answer.header(name), value, "{what}");
            }
            let kept =
                if page.contains("/viewer/") && answer.status == 200 { "no-cache" } else { "no-store" };
            assert_eq!(answer.header("cache-control"), kept, "{what}");
            assert!(!answer.head.to_ascii_lowercase().contains("access-control-"), "{what}");
            assert!(!answer.head.to_ascii_lowercase().contains("set-cookie"), "{what}");
        }
    }
}

#[cfg(feature = "flamegraph")]
#[test]
fn a_flame_graph_is_in_a_sandbox() {
    let server = Server::start();
    for page in [
        "/debug/pprof/heap?format=svg",
        "/debug/snapshots/a1?format=svg",
        "/debug/pprof/profile?seconds=1&format=svg",
    ] {
        let answer = server.get(page);
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/svg+xml"), "{page}");
        let policy = answer.header("content-security-policy");
        // It has the script of its own drawing, no origin, and nothing it could fetch from or send to.
        assert!(policy.starts_with("sandbox allow-scripts; default-src 'none';"), "{policy}");
        assert!(!policy.contains("allow-same-origin") && !policy.contains("connect-src"), "{policy}");
    }
}

#[test]
fn nothing_is_told_without_the_token() {
    let server = Server::with_token(Some("hunter2"));
    for page in pages() {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            let answer = server.request(method, &page, &[], b"");
            assert_eq!((answer.status, answer.header("x-go-pprof")), (401, "1"), "{method} {page}");
            assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{}", answer.head);
        }
    }
    assert!(asked(&server) == 0, "nothing was collected");
}

/// A link to a snapshot can be followed; any other use of a page by another site is refused.
#[test]
fn no_page_answers_another_site() {
    let server = Server::start();
    for page in pages() {
        for header in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
        ] {
            for method in ["GET", "HEAD", "POST"] {
                assert_eq!(
                    server.request(method, &page, &[header], b"").status,
                    403,
                    "{method} {page} {header:?}"
                );
            }
        }
        assert_eq!(server.request("GET", &page, &[("Host", "evil.example")], b"").status, 421, "{page}");
    }
    assert!(asked(&server) == 0, "nothing was collected");
}

#[test]
fn nothing_can_be_changed() {
    let server = Server::start();
    for page in pages() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            let status = server.request(method, &page, &[], b"").status;
            let expected = match (method, page.as_str()) {
                // Addresses in, names out: a question that is too long for a query.
                ("POST", "/debug/pprof/symbol") => 200,
                (_, "/nothing") => 404,
                _ => 405,
            };
            assert_eq!(status, expected, "{method} {page}");
        }
    }
    assert!(asked(&server) == 0, "nothing was collected");
}

#[test]
fn a_head_costs_nothing_anywhere() {
    let server = Server::start();
    for page in pages() {
        let answer = server.request("HEAD", &page, &[], b"");
        assert!(answer.body.is_empty() && answer.status < 500 || answer.status == 501, "{page}: {answer:?}");
    }
    assert_eq!(
        server.request("HEAD", "/debug/threads?format=svg", &[], b"").header("content-type"),
        "image/svg+xml"
    );
    assert!(asked(&server) == 0, "something was collected");
}

/// How often profiles were collected.
fn asked(server: &Server) -> usize {
    server.running.sources.iter().map(|source| source.asked.load(Ordering::SeqCst)).sum()
}
