//! What a browser is given: small, typed, revalidated, and of no use to who plants markup in a name.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::super::viewer::{ASSETS, Asset};
use super::{BROWSER, SCRIPT, Server};
use crate::profile::Owner;
use crate::profile::owner::is_ground;
use crate::render::pprof;

/// The most that all of it may weigh on its way, in bytes.
const BUDGET: usize = 40 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/viewer")
}

/// What the scripts know of owners is what the agent knows.
#[test]
fn owners_are_those_of_the_profile() {
    let expected = owners();
    let file = folder().join("owners.js");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &expected).expect("a writable folder");
    }
    let found = fs::read_to_string(&file).expect("a source");
    assert_eq!(found, expected, "owners.js is not what `profile::owner` says: run this test with BLESS=1");
}

/// The script that says it.
fn owners() -> String {
    let names = [
        (Owner::Unknown, "unknown"),
        (Owner::User, "own code"),
        (Owner::Dependency, "dependency"),
        (Owner::Runtime, "runtime"),
        (Owner::Std, "std"),
        (Owner::Allocator, "allocator"),
        (Owner::System, "system"),
        (Owner::Flamewatch, "flamewatch"),
    ];
    let numbers = names.map(|(owner, _)| pprof::owner_number(owner));
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7], "the list is in the order of the numbers");
    let list = names.map(|(_, name)| format!("\"{name}\"")).join(", ");
    let ground = names.iter().filter(|(owner, _)| is_ground(*owner));
    let ground: Vec<_> = ground.map(|(owner, _)| pprof::owner_number(*owner).to_string()).collect();
    format!(
        "// Written by a test from what `profile::owner` says, which holds this file to it; `BLESS=1` rewrites it.\n\n\
         // Whose code a function is, by the number in the profile.\nexport const OWNERS = [{list}];\n\n\
         // What every service stands on, there in every stack.\nexport const GROUND = new Set([{}]);\n\n\
         // The service's own code, and what stands for a label among the frames.\nexport const OWN = {};\n\
         export const LABEL = -1;\n",
        ground.join(", "),
        pprof::owner_number(Owner::User)
    )
}

#[test]
fn what_is_embedded_is_the_source() {
    // The order of tests is nobody's: blessed together, this file has to be there first.
    if std::env::var_os("BLESS").is_some() {
        fs::write(folder().join("owners.js"), owners()).expect("a writable folder");
    }
    for asset in ASSETS {
        let source = fs::read(folder().join(asset.name)).expect("a source");
        let embedded = asset.plain().unwrap_or_default();
        if embedded == source {
            continue;
        }
        assert!(
            std::env::var_os("BLESS").is_some(),
            "{} is not what viewer/gz/ holds: run this test with BLESS=1",
            asset.name
        );
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&source).expect("into memory");
        fs::write(
            folder().join("gz").join(format!("{}.gz", asset.name)),
            gzip.finish().expect("into memory"),
        )
        .expect("a writable folder");
    }
    let sources = fs::read_dir(folder()).expect("a folder").flatten();
    let names = sources.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let forgotten: Vec<String> = names
        .filter(|name| name.ends_with(".js") || name.ends_with(".css"))
        .filter(|name| ASSETS.iter().all(|asset| asset.name != name))
        .collect();
    assert!(forgotten.is_empty(), "not embedded: {forgotten:?}");
}

/// A module that is imported and not named would be fetched only when it is come upon, one round trip later.
#[test]
fn a_page_names_every_module_that_it_runs() {
    let page = Server::start().get("/debug/flame?profile=heap");
    let mut wanted = vec!["flame.js".to_owned()];
    while let Some(name) = wanted.pop() {
        assert!(page.text().contains(&format!("/debug/viewer/{name}\"")), "{name} is not named");
        let source = fs::read_to_string(folder().join(&name)).expect("a source");
        let imports = source.lines().filter(|line| line.starts_with("import "));
        wanted.extend(
            imports.filter_map(|line| Some(line.split_once("\"./")?.1.split('"').next()?.to_owned())),
        );
    }
}

#[test]
fn all_of_it_is_small() {
    let page = Server::start().get("/debug/flame?snapshot=b2").body.len();
    let assets: usize = ASSETS.iter().map(|asset: &Asset| asset.gzipped.len()).sum();
    assert!(assets + page <= BUDGET, "{assets} bytes of scripts and style, and a page of {page}");
}

#[test]
fn files_come_as_they_are_embedded_and_once() {
    let server = Server::start();
    for asset in ASSETS {
        let path = format!("/debug/viewer/{}", asset.name);
        let zipped = server.request("GET", &path, &[("Accept-Encoding", "br, gzip;q=0.8")], b"");
        assert_eq!((zipped.status, zipped.header("content-encoding")), (200, "gzip"), "{path}");
        assert_eq!(zipped.body, asset.gzipped);
        let kind = if asset.name.ends_with(".css") { "text/css" } else { "text/javascript" };
        assert_eq!(zipped.header("content-type"), format!("{kind}; charset=utf-8"));
        assert_eq!(
            (zipped.header("cache-control"), zipped.header("vary"), zipped.header("x-content-type-options")),
            ("no-cache", "accept-encoding", "nosniff")
        );
        for refused in [None, Some(("Accept-Encoding", "gzip;q=0, br"))] {
            let plain = server.request("GET", &path, refused.as_slice(), b"");
            assert_eq!((plain.header("content-encoding"), &plain.body), ("", &asset.plain().expect("plain")));
        }
        let tag = zipped.header("etag");
        assert!(tag.len() > 8, "{tag}");
        let again = server.request("GET", &path, &[("If-None-Match", tag)], b"");
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag));
        assert_eq!(server.request("GET", &path, &[("If-None-Match", "\"old\"")], b"").status, 200);
    }
    assert_eq!(server.get("/debug/viewer/..%2fmod.rs").status, 404);
}

/// The policy forbids scripts and styles in the page; a page that had some would be broken, silently.
#[test]
fn pages_hold_no_script_and_no_style_of_their_own() {
    let server = Server::start();
    for path in [
        "/debug/",
        "/debug/pprof/",
        "/debug/snapshots",
        "/debug/flame?profile=heap",
        "/debug/top?snapshot=b2",
        "/debug/tasks",
        "/debug/segments",
        "/debug/memory",
        "/debug/doctor",
    ] {
        let page = server.request("GET", path, &[BROWSER], b"");
        let text = page.text();
        assert!(page.status == 200 && text.starts_with("<!doctype html>"), "{path}: {text}");
        for part in text.split("<script").skip(1) {
            assert!(part.contains(" src=\"/debug/viewer/") && part.contains("></script>"), "{path}: {part}");
        }
        for inline in ["<style", " style=", " onclick=", " onload=", "javascript:", "http-equiv"] {
            assert!(!text.contains(inline), "{path} has {inline}");
        }
        let foreign = text
            .split(['"', '\''])
            .find(|part| part.starts_with("http") && !part.contains(&server.address.to_string()));
        assert_eq!(foreign, None, "{path}");
    }
    for asset in ASSETS {
        let source = String::from_utf8(asset.plain().expect("plain")).expect("text");
        for risk in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!source.contains(risk), "{} has {risk}", asset.name);
        }
    }
}

#[test]
fn numbers_and_the_top_need_no_script() {
    let server = Server::start();
    let overview = server.get("/debug/");
    let overview = overview.text();
    for shown in [
        "<h3>tasks</h3><p class=\"now\">99</p>",
        "0 to 99 in 2 min",
        " above 50: firing",
        "<ul id=\"state\" class=\"state wrong\">",
        "href=\"/debug/alerts\"",
        "href=\"/debug/flame?profile=heap\"",
        "<button formaction=\"/debug/flame\" name=\"profile\" value=\"profile\"",
    ] {
        assert!(overview.contains(shown), "no {shown} in {overview}");
    }
    let top = server.get("/debug/top?snapshot=b2");
    assert!(top.text().contains("<td>5 MiB<td>100.0%<td>"), "{}", top.text());
    let grown = server.get("/debug/top?snapshot=b2&base=a1");
    assert!(grown.text().contains("<td>2 MiB<td>100.0%"), "{}", grown.text());
    let flame = server.get("/debug/flame?snapshot=b2&base=a1&value=alloc_space&other=%22%3E");
    let source = "data-source=\"/debug/snapshots/b2?base=a1&amp;value=alloc_space&amp;owners=1\"";
    assert!(flame.text().contains(source), "{}", flame.text());
    assert!(
        flame.text().contains("<noscript>")
            && flame.text().contains("href=\"/debug/top?snapshot=b2&amp;base=a1")
    );
}

#[test]
fn a_flame_graph_of_nothing_known_is_refused() {
    let server = Server::start();
    for (query, status) in [
        ("", 400),
        ("?profile=nothing", 404),
        ("?profile=wall", 501),
        ("?snapshot=zz", 404),
        ("?snapshot=b2&base=zz", 404),
        ("?profile=profile&seconds=0", 400),
    ] {
        for page in ["flame", "top"] {
            let answer = server.get(&format!("/debug/{page}{query}"));
            assert_eq!((answer.status, answer.header("x-go-pprof")), (status, "1"), "{page}{query}");
        }
    }
    assert_eq!(server.get("/debug/top?snapshot=c3&base=a1").status, 400, "of two kinds");
    let asked = || server.source("profile").asked.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(server.get("/debug/flame?profile=profile&seconds=60").status, 200);
    assert_eq!(server.request("HEAD", "/debug/top?profile=profile&seconds=60", &[], b"").status, 200);
    assert_eq!(asked(), 0, "the page itself collects nothing");
}

#[test]
fn the_history_is_told_from_any_moment_on() {
    let server = Server::start();
    let history = |query: &str| -> Value {
        serde_json::from_slice(&server.get(&format!("/debug/history?{query}")).body).expect("JSON")
    };
    let whole = history("format=json");
    assert_eq!((&whole["now"], &whole["gauges"][0]["name"]), (&Value::from(100.0), &Value::from("tasks")));
    assert_eq!(whole["gauges"][0]["points"].as_array().map(Vec::len), Some(100));
    let rule = &whole["gauges"][1]["rules"][0];
    assert_eq!((&rule["limit"], &rule["fires"]), (&Value::from(50.0), &Value::from(true)));
    assert_eq!(history("since=97")["gauges"][0]["points"], serde_json::json!([[98.0, 98.0], [99.0, 99.0]]));
    assert_eq!(server.get("/debug/history?since=soon").status, 400);
    assert_eq!(server.get("/debug/history?format=svg").status, 400);
}

#[test]
fn a_browser_gets_tables_on_a_page_and_a_terminal_as_they_are() {
    let server = Server::start();
    let _open = crate::segment("viewer", SCRIPT, "bookings");
    let page = server.request("GET", "/debug/segments", &[BROWSER], b"");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let row = "<td data-head=\"product\">viewer<td data-head=\"operation\">&lt;script&gt;";
    assert!(page.text().contains(row) && !page.text().contains(SCRIPT), "{}", page.text());
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    for path in ["/debug/segments", "/debug/segments?format=text"] {
        let headers: &[(&str, &str)] = if path.contains('?') { &[BROWSER] } else { &[("Accept", "*/*")] };
        assert_eq!(
            server.request("GET", path, headers, b"").header("content-type"),
            "text/plain; charset=utf-8"
        );
    }
    assert_eq!(server.request("GET", "/debug/tasks?format=svg", &[BROWSER], b"").status, 400);
}
