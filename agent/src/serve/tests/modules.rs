//! The viewer's modules in Node, where there is one: what they read, add up and fold is what the agent writes, adds up and folds.

use std::fs;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use super::super::viewer::ASSETS;
use crate::Unit;
use crate::profile::{Addr, Frame, Function, Owner, Profile, ValueType};
use crate::render::{self, Format, Options};

/// Reads the profile that the first argument names, and prints the functions as the table of the page shows them.
const CHECK: &str = r#"
import { readFileSync } from "node:fs";
import { read } from "./pprof.js";
import { build, find, labels, mark, net, top, width } from "./tree.js";
import { fitting, layout } from "./icicle.js";
import { give, show, signed } from "./units.js";
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
  return top(tree).map((row) => [told(unit, row.flat), give(row.error), told(unit, row.cum), row.name, row.short, row.owner]);
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

/// Flat, error, cum, name, short name, owner.
type Row = (String, String, String, String, String, u32);

/// Their sums and their errors are those of our own table.
#[test]
fn the_modules_read_what_we_write() {
    for profile in [made_up(false), made_up(true)] {
        let Some(tables) = run::<Vec<Vec<Row>>>("sums", CHECK, &profile) else { return };
        for (value, mut table) in tables.into_iter().enumerate() {
            let options = Options { value: Some(value), ..Options::default() };
            let report = render::report(&profile, &options, 1_000).expect("a table");
            let rows = report.rows.into_iter();
            let mut expected: Vec<_> =
                rows.map(|[flat, _, error, cum, _, name, _]| (flat, error, cum, name)).collect();
            assert!(table.iter().any(|(.., short, owner)| short == "Deep::call" && *owner == 1), "{table:?}");
            table.sort();
            expected.sort();
            let rows: Vec<_> =
                table.into_iter().map(|(flat, error, cum, name, ..)| (flat, error, cum, name)).collect();
            assert!(expected.iter().any(|(_, error, ..)| error.starts_with('±')), "{expected:?}");
            assert_eq!(rows, expected);
        }
    }
}

/// Prints of each stack its value, and how many outer frames are folded with the runtime's and up to own code.
#[cfg(feature = "flamegraph")]
const FOLDS: &str = r#"
import { readFileSync } from "node:fs";
import { read } from "./pprof.js";
import { foldDepth, outermostFirst } from "./tree.js";

const profile = await read(new Blob([readFileSync(process.argv[2])]));
const [runtime, own] = ["runtime", "own"].map((fold) => foldDepth(profile, fold));
const rows = [];
for (let sample = 0; sample < profile.size; sample++) {
  const frames = [];
  outermostFirst(profile, sample, frames, []);
  rows.push([profile.values[sample], runtime(frames), own(frames)]);
}
console.log(JSON.stringify(rows));
"#;

/// What is folded in a browser is what is folded in a picture; but of a stack without own code a small picture shows the end.
#[cfg(feature = "flamegraph")]
#[test]
fn the_modules_fold_what_we_fold() {
    let mut profile = Profile::new("any", [ValueType::new("n", Unit::Count)]);
    let kinds = [
        Owner::User,
        Owner::Dependency,
        Owner::Runtime,
        Owner::Std,
        Owner::System,
        Owner::Flamewatch,
        Owner::Unknown,
    ];
    let frame = |kind: usize| match kinds.get(kind) {
        Some(owner) => {
            Frame::named(Function { owner: *owner, ..Function::new(format!("any::f{kind}"), "src/a.rs", 1) })
        }
        None if kind == kinds.len() => Frame::named(Function {
            owner: Owner::User,
            ..Function::new("shop::main::{closure}", "src/a.rs", 1)
        }),
        None => Frame::Address(Addr::Pc(0x9000)),
    };
    // Every stack of three frames there is, and a label.
    let count = kinds.len() + 2;
    for number in 0..count * count * count {
        let frames = [number % count, number / count % count, number / count / count].map(frame);
        let value = i64::try_from(number).expect("few") + 1;
        profile.add(frames.into_iter().chain([Frame::label("route", "/")]), &[value], 1);
    }
    let Some(rows) = run::<Vec<(i64, usize, usize)>>("folds", FOLDS, &profile) else { return };
    let found: std::collections::HashMap<i64, _> =
        rows.into_iter().map(|(value, runtime, own)| (value, (runtime, own))).collect();
    assert_eq!(found.len(), profile.len());
    for stack in profile.iter() {
        let (runtime, own) = found[&stack.value(0)];
        let (our_runtime, our_own) = render::folded(&stack);
        let has_own = stack.frames().any(|frame| frame.owner() == Owner::User);
        let expected = (our_runtime, if has_own { our_own } else { our_runtime });
        assert_eq!((runtime, own), expected, "{:?}", stack.frames().map(Frame::show).collect::<Vec<_>>());
    }
}

/// Runs `script` among the modules on `profile` as we write it, and reads what it prints; nothing without Node.
fn run<T: DeserializeOwned>(name: &str, script: &str, profile: &Profile) -> Option<T> {
    let node = node()?;
    let folder = std::env::temp_dir().join(format!("flamewatch-viewer-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a writable folder");
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a writable folder");
    ASSETS.iter().for_each(|asset| put(asset.name, &asset.plain().expect("plain")));
    put("package.json", b"{\"type\":\"module\"}");
    put("check.js", script.as_bytes());
    let mut bytes = Vec::new();
    let options = Options { owners: true, ..Options::default() };
    Format::Pprof.render(profile, &options, &mut bytes).expect("rendering into memory");
    put("profile.pb.gz", &bytes);
    let mut command = Command::new(node);
    let ran = command.args(["check.js", "profile.pb.gz"]).current_dir(&folder).output().expect("node");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    fs::remove_dir_all(&folder).expect("our own folder");
    Some(serde_json::from_slice(&ran.stdout).expect("JSON"))
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
