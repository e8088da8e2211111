//! What a browser is given: small, typed, revalidated, and of no use to who plants markup in a name.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::super::viewer::{ASSETS, Asset};
use super::{SCRIPT, Server};
use crate::Unit;
use crate::profile::{Addr, Frame, Function, Profile, ValueType};
use crate::render::{self, Format, Options};

/// The most that all of it may weigh on its way, in bytes.
const BUDGET: usize = 40 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/viewer")
}

#[test]
fn what_is_embedded_is_the_source() {
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
    ] {
        let page = server.get(path);
        let text = page.text();
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
    let browser = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let _open = crate::segment("viewer", SCRIPT, "bookings");
    let page = server.request("GET", "/debug/segments", &[browser], b"");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text().contains("<pre>") && !page.text().contains(SCRIPT), "{}", page.text());
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    for path in ["/debug/segments", "/debug/segments?format=text"] {
        let headers: &[(&str, &str)] = if path.contains('?') { &[browser] } else { &[("Accept", "*/*")] };
        assert_eq!(
            server.request("GET", path, headers, b"").header("content-type"),
            "text/plain; charset=utf-8"
        );
    }
    assert_eq!(server.request("GET", "/debug/tasks?format=svg", &[browser], b"").status, 400);
}

/// Reads the profile that the first argument names, and prints the functions as the table of the page shows them.
const CHECK: &str = r#"
import { readFileSync } from "node:fs";
import { read } from "./pprof.js";
import { build, find, labels, mark, net, top, width } from "./tree.js";
import { fitting, layout } from "./icicle.js";
import { show, signed } from "./units.js";
import { parse, pattern, write } from "./view.js";

const must = (held, what) => { if (!held) throw new Error(what); };
const profile = await read(new Blob([readFileSync(process.argv[2])]));
const tables = profile.types.map(({ unit }, value) => {
  const view = { value, inverted: false, fold: "none", focus: null, hide: null, label: null, by: "" };
  const tree = build(profile, view);
  const inverted = build(profile, { ...view, inverted: true });
  must(width(tree, 0) === width(inverted, 0) && net(tree, 0) === net(inverted, 0), "inverted weighs otherwise");
  const plan = layout(tree, 0, 1000);
  for (const block of plan.blocks) must(block.x >= 0 && block.x + block.w <= 1000.001, "a block is outside");
  must(Math.abs(plan.blocks.filter(({ row }) => row === 1).reduce((sum, { w }) => sum + w, 0) - 1000) < 1, "a row is not full");
  const focused = build(profile, { ...view, focus: pattern("leaf_7$") });
  must(focused.stacks > 0 && focused.stacks < tree.stacks, "focus keeps all or nothing");
  const one = build(profile, { ...view, label: ["route", "/r3"] });
  must(one.stacks > 0 && one.stacks < tree.stacks, "a label keeps all or nothing");
  must(build(profile, { ...view, hide: /./ }).nodes.size === 1, "hidden frames are there");
  const split = build(profile, { ...view, by: "route" });
  must(find(split, [mark({ name: "route=/r3" })]) > 0, "a split is not found again");
  const folded = build(profile, { ...view, fold: "own" });
  must(folded.whats[folded.nodes.what[folded.nodes.first[0]]].name === "(runtime)", "nothing is folded");
  const told = tree.signed ? signed : show;
  return top(tree).map((row) => [told(unit, row.flat), told(unit, row.cum), row.name, row.short, row.owner]);
});
must(labels(profile, 0)[0][1].length === 5, "not every label");
must(fitting(["a::Cart::place", "Cart::place", "place"], "41%", 12) === "place 41%", "not fitting");
const link = write({ ...parse(""), search: "a&b=#é", zoom: "x.y" });
must(parse(link).search === "a&b=#é" && write(parse("")) === "", "a link does not keep the view");
let refused = 0;
const whole = new Uint8Array(await new Response(new Blob([readFileSync(process.argv[2])]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
for (let end = 1; end < whole.length; end += 97) await read(new Blob([whole.subarray(0, end)])).catch(() => refused++);
must(refused > 3, "a cut profile is taken for a whole one");
console.log(JSON.stringify(tables));
"#;

/// Flat, cum, name, short name, owner.
type Row = (String, String, String, String, u32);

/// The modules in Node, on a profile of ours: their sums are those of our own table.
#[test]
fn the_modules_read_what_we_write() {
    let Some(node) = node() else { return };
    let folder = std::env::temp_dir().join(format!("flamewatch-viewer-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a writable folder");
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a writable folder");
    ASSETS.iter().for_each(|asset| put(asset.name, &asset.plain().expect("plain")));
    put("package.json", b"{\"type\":\"module\"}");
    put("check.js", CHECK.as_bytes());
    for profile in [made_up(false), made_up(true)] {
        let mut bytes = Vec::new();
        let options = Options { owners: true, ..Options::default() };
        Format::Pprof.render(&profile, &options, &mut bytes).expect("rendering into memory");
        put("profile.pb.gz", &bytes);
        let ran = Command::new(node)
            .arg("check.js")
            .arg("profile.pb.gz")
            .current_dir(&folder)
            .output()
            .expect("node");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let tables: Vec<Vec<Row>> = serde_json::from_slice(&ran.stdout).expect("JSON");
        for (value, mut table) in tables.into_iter().enumerate() {
            let options = Options { value: Some(value), ..Options::default() };
            let report = render::report(&profile, &options, 1_000).expect("a table");
            let mut expected: Vec<_> =
                report.rows.into_iter().map(|[flat, _, _, cum, _, name, _]| (flat, cum, name)).collect();
            assert!(table.iter().any(|(.., short, owner)| short == "Deep::call" && *owner == 1), "{table:?}");
            table.sort();
            expected.sort();
            let rows: Vec<_> = table.into_iter().map(|(flat, cum, name, ..)| (flat, cum, name)).collect();
            assert_eq!(rows, expected);
        }
    }
    fs::remove_dir_all(&folder).expect("our own folder");
}

/// Node of version 18 or newer, where there is one.
fn node() -> Option<&'static str> {
    let said = Command::new("node").arg("--version").stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let major = said.trim().trim_start_matches('v').split('.').next()?.parse::<u32>().ok()?;
    (major >= 18).then_some("node")
}

/// 200 stacks with recursion, inlined frames, bare addresses and labels; with what shrank if it is a difference.
fn made_up(shrinks: bool) -> Profile {
    let values = [ValueType::new("samples", Unit::Count), ValueType::new("cpu", Unit::Nanoseconds)];
    let mut profile = Profile::new("profile", values);
    for number in 0..200_i64 {
        let named = |name: String, file: &str, inlined: bool| {
            let address = 0x1000 + number.unsigned_abs() % 16 * 8;
            Frame::named(Function { address, inlined, ..Function::new(name, file, 7) })
        };
        let value = if shrinks && number % 3 == 0 { -(number + 1) } else { number * 1_000 + 1 };
        let frames = [
            named(format!("shop::leaf_{}", number % 10), "shop/src/leaf.rs", true),
            named("<shop::Deep<T> as shop::Call>::call".to_owned(), "shop/src/deep.rs", false),
            Frame::Address(Addr::Pc(0x9000 + number.unsigned_abs() % 3)),
            named("<shop::Deep<T> as shop::Call>::call".to_owned(), "shop/src/deep.rs", false),
            named(
                format!("hyper::step_{}", number % 5),
                "/root/.cargo/registry/src/i-1949cf8c6b5b557f/hyper-1.0.0/src/a.rs",
                false,
            ),
            named("std::rt::start".to_owned(), "/rustc/59807616e1fa/library/std/src/rt.rs", false),
            Frame::label("route", format!("/r{}", number % 5)),
        ];
        profile.add(frames, &[value, value * 9_999_991], value.unsigned_abs());
    }
    profile
}
