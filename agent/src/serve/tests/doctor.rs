//! The page of the doctor.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{BROWSER, SCRIPT, Server};
use crate::desk::{Desk, Outlet};
use crate::doctor::{Check, Report};

/// A sink that is down, with an error that tries the page and the terminal.
fn fill(desk: &Desk) {
    let error = format!("{SCRIPT}\x1b[2J");
    let down = SystemTime::now().checked_sub(Duration::from_secs(60));
    let outlet = Outlet {
        name: "webhook".to_owned(),
        last_error: Some(error),
        down_since: down,
        dropped: 3,
        ..Outlet::default()
    };
    desk.set_board(vec![outlet], Vec::new());
}

#[test]
fn it_comes_as_text_as_a_page_and_as_json() {
    let server = Server::showing(fill);
    let text = server.get("/debug/doctor");
    assert_eq!((text.status, text.header("content-type")), (200, "text/plain; charset=utf-8"));
    let text = text.text();
    assert!(text.contains(" broken, ") && text.contains(" fine; looked at "), "{text}");
    let lines: Vec<_> = text.lines().skip(2).collect();
    assert!(lines[0].starts_with("broken  sinks: nothing arrives at webhook: <script>"), "{text}");
    assert!(
        lines.iter().any(|line| line.starts_with("hint    snapshots: ") && line.contains("FLAMEWATCH_DIR")),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text}");
    let page = server.request("GET", "/debug/doctor", &[BROWSER], b"");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(
        page.text().contains("<span class=\"badge broken\">broken</span>") && !page.text().contains(SCRIPT),
        "{}",
        page.text()
    );
    let answer = server.get("/debug/doctor?format=json");
    let document: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (&document["well"], &document["checks"][0]["state"]),
        (&Value::from(false), &Value::from("broken"))
    );
    let lost = document["checks"].as_array().into_iter().flatten().filter(|check| check["name"] == "sinks");
    assert_eq!(lost.count(), 2, "{document}");
    let head = server.request("HEAD", "/debug/doctor", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    for method in ["GET", "HEAD"] {
        assert_eq!(server.request(method, "/debug/doctor?format=svg", &[], b"").status, 400);
    }
}

#[test]
fn a_check_up_is_part_of_it() {
    let server = Server::examined(|| {
        let mut report = Report::default();
        report.checks.push(Check::problem("names", "no debug info", "set debug = 1"));
        report
    });
    let text = server.get("/debug/doctor");
    assert!(text.text().contains("broken  names: no debug info; set debug = 1\n"), "{}", text.text());
}
