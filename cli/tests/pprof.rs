//! pprof files without names: they get them, and keep everything else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamewatch_symbolizer::ModuleMap;
use prost::Message as _;

use crate::proto;
use crate::run::{address_of, compiled, folder, own_offset, own_path, symbolize, tool};

#[inline(never)]
fn landmark(value: u64) -> u64 {
    std::hint::black_box(value) + 2
}

fn here() -> u64 {
    landmark as fn(u64) -> u64 as usize as u64
}

/// Prints of every Go there is, as the end-to-end tests find them: the oldest reader counts as much as the newest.
pub(crate) fn go(arguments: &[&str]) -> String {
    let listed = std::env::var_os("FLAMEWATCH_GO").map(|list| std::env::split_paths(&list).collect());
    let all: Vec<PathBuf> = listed.unwrap_or_else(|| vec![PathBuf::from("go")]);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-home");
    fs::create_dir_all(&home).expect("a home for Go");
    let mut text = String::new();
    for go in all {
        let mut command = Command::new(go);
        command.args(["tool", "pprof"]).args(arguments).env("GOTOOLCHAIN", "local").env("HOME", &home);
        let output = command.output().expect("Go: install it, or set FLAMEWATCH_GO");
        assert!(output.status.success(), "{output:?}");
        text += &String::from_utf8_lossy(&output.stdout);
    }
    text
}

/// A profile of this process without names: one stack of the address twice, and of one that lies nowhere.
pub(crate) fn raw() -> proto::Profile {
    let map = ModuleMap::current().expect("a map");
    let (module, segment) = map.lookup(here()).expect("our own module");
    let strings = ["", "cpu", "nanoseconds", "route", "/orders", "a remark", &module.path, &module.build_id];
    let location =
        |id, mapping_id, address| proto::Location { id, mapping_id, address, ..Default::default() };
    proto::Profile {
        sample_type: vec![proto::ValueType { name: 1, unit: 2 }],
        sample: vec![proto::Sample {
            location_id: vec![5, 9, 5],
            value: vec![10_007],
            label: vec![
                proto::Label { key: 3, text: 4, ..Default::default() },
                proto::Label { key: 3, number: 7, number_unit: 2, ..Default::default() },
            ],
        }],
        mapping: vec![proto::Mapping {
            id: 3,
            memory_start: segment.start,
            memory_limit: segment.end,
            file_offset: segment.file_offset,
            filename: 6,
            build_id: 7,
            ..Default::default()
        }],
        location: vec![location(5, 3, here()), location(9, 0, 0x10)],
        string_table: strings.map(str::to_owned).to_vec(),
        time_nanos: 1_700_000_000_000_000_000,
        duration_nanos: 5,
        drop_frames: 5,
        comment: vec![5],
        period_type: Some(proto::ValueType { name: 1, unit: 2 }),
        period: 11,
        doc_url: 5,
        ..Default::default()
    }
}

fn text(profile: &proto::Profile, index: i64) -> &str {
    &profile.string_table[usize::try_from(index).expect("an index")]
}

#[test]
fn names_are_filled_in_and_the_rest_stays() {
    let raw = raw();
    let ran = symbolize(&["-"], &raw.encode_to_vec());
    let named = ran.profile_as_it_came();
    let function = &named.function[0];
    assert_eq!(text(&named, function.name), "cli::pprof::landmark");
    assert!(text(&named, function.system_name).contains("landmark"), "mangled");
    assert_ne!(function.system_name, function.name);
    assert!(text(&named, function.filename).ends_with("cli/tests/pprof.rs"));
    let [line] = *named.location[0].line else { panic!("one function: {:?}", named.location[0]) };
    assert_eq!(line.function_id, function.id);
    assert!(line.line > 0);
    assert!(named.location[1].line.is_empty(), "nothing is known of it");
    let mapping = &named.mapping[0];
    assert!(mapping.has_functions && mapping.has_filenames && mapping.has_line_numbers);

    let mut stripped = named.clone();
    stripped.function.clear();
    stripped.string_table.truncate(raw.string_table.len());
    stripped.location[0].line.clear();
    stripped.mapping.clone_from(&raw.mapping);
    assert_eq!(stripped, raw);
    assert!(ran.err.starts_with("warning: 1 of 2 addresses have no name\n"), "{}", ran.err);
}

#[test]
fn what_has_names_keeps_them() {
    let mut half = raw();
    half.string_table.push("told before".to_owned());
    half.function.push(proto::Function { id: 40, name: 8, ..Default::default() });
    half.location[1].line.push(proto::Line { function_id: 40, line: 12, ..Default::default() });
    let ran = symbolize(&[], &half.encode_to_vec());
    assert_eq!(ran.err, "");
    let named = ran.profile_as_it_came();
    assert_eq!(named.location[1], half.location[1]);
    assert_eq!(named.location[0].line[0].function_id, 41, "an id that nobody has");

    let again = symbolize(&["-"], &ran.out);
    assert_eq!(again.profile_as_it_came(), named, "naming twice is naming once");
    let folded = symbolize(&["--to", "folded"], &ran.out);
    assert_eq!(folded.text(), "cli::pprof::landmark;told before;cli::pprof::landmark 10007\n");
}

/// What flamewatch writes of a stripped program: the byte before the return address in the name of a function.
#[test]
fn a_place_in_the_form_of_a_function_gets_a_name() {
    let mut profile = raw();
    let own = own_path();
    let name = own.rsplit('/').next().expect("a name");
    profile.string_table.push(format!("{name}+{:#x}", own_offset(here())));
    profile.function.push(proto::Function { id: 1, name: 8, ..Default::default() });
    profile.location[0].line.push(proto::Line { function_id: 1, ..Default::default() });
    profile.location[0].address = here() + 1;
    profile.mapping[0].has_functions = true;
    let named = symbolize(&["--to", "folded"], &profile.encode_to_vec());
    let text = String::from_utf8(named.out).expect("UTF-8");
    assert_eq!(text, "cli::pprof::landmark;0x10;cli::pprof::landmark 10007\n");

    profile.string_table[6] = format!("/srv/gone/{name}");
    let unnamed = symbolize(&[], &profile.encode_to_vec());
    assert_eq!(unnamed.profile_as_it_came().location, profile.location);
    assert!(!unnamed.profile_as_it_came().mapping[0].has_functions, "that was not true");
    assert!(unnamed.err.contains("warning: 2 of 2 addresses have no name"), "{}", unnamed.err);
}

#[test]
fn stacks_as_json() {
    let ran = symbolize(&["--json"], &raw().encode_to_vec());
    let stack: serde_json::Value = serde_json::from_slice(&ran.out).expect("JSON");
    assert_eq!(stack["values"]["cpu"], 10_007);
    let names = [0, 1, 2].map(|index: usize| stack["frames"][index]["function"].as_str());
    assert_eq!(names, [Some("cli::pprof::landmark"), Some("0x10"), Some("cli::pprof::landmark")]);
}

#[test]
fn functions_that_are_inlined_are_lines_of_one_location() {
    let source = "volatile int total;\nstatic inline __attribute__((always_inline)) void inner(void) { total++; }\n__attribute__((noinline)) void outer(void) {\n    inner();\n}\nint main(void) { outer(); }\n";
    let program = compiled(&folder("inlined_lines"), "inlined", source, &[]);
    let mut profile = raw();
    profile.string_table[6].clone_from(&program);
    profile.string_table[7] = String::new();
    (profile.mapping[0].memory_start, profile.mapping[0].memory_limit) = (0x40_0000, 0x50_0000);
    profile.mapping[0].file_offset = 0;
    profile.location[0].address = address_of(&program, "outer");
    let ran = symbolize(&["--trust-paths"], &profile.encode_to_vec());
    let named = ran.profile_as_it_came();
    let shown = named.location[0].line.iter().map(|line| {
        let function = named.function.iter().find(|function| function.id == line.function_id);
        (text(&named, function.expect("the function").name), line.line)
    });
    assert_eq!(shown.collect::<Vec<_>>(), [("inner", 2), ("outer", 4)]);
    assert!(named.mapping[0].has_inline_frames);
    // Nobody vouches for the file.
    let ran = symbolize(&[], &profile.encode_to_vec());
    assert!(ran.profile_as_it_came().function.is_empty());
    assert!(ran.err.contains("the input does not say which build it was"), "{}", ran.err);
}

/// On the machine where a stripped program runs, its build before stripping is the better file.
#[test]
fn a_stripped_file_at_its_path_does_not_hide_the_build_in_a_folder() {
    let folder = folder("stripped_here");
    let (here, builds) = (folder.join("shop"), folder.join("builds"));
    fs::create_dir(&builds).expect("a folder");
    fs::copy(own_path(), builds.join("shop")).expect("a copy");
    let [here, builds] = [&here, &builds].map(|path| path.to_str().expect("UTF-8"));
    tool("strip", &["-o", here, &own_path()]);
    let mut profile = raw();
    profile.string_table[6] = here.to_owned();
    profile.string_table[5] = "losses: 2 addresses without a name".to_owned();
    let ran = symbolize(&[], &profile.encode_to_vec());
    assert!(ran.err.contains("the file is stripped"), "{}", ran.err);
    let named = symbolize(&["--debug-dir", builds], &profile.encode_to_vec()).profile_as_it_came();
    assert!(named.string_table.iter().any(|text| text.ends_with("landmark")), "{:?}", named.string_table);
    // One of the two lies nowhere: what the profile says of itself stays true.
    assert_eq!(text(&named, named.comment[0]), "losses: 1 addresses without a name");
}

#[test]
fn a_build_that_is_missing_is_told_and_found_in_a_folder() {
    let folder = folder("missing_build");
    let mut profile = raw();
    profile.string_table[6] = "/srv/gone/shop".to_owned();
    let build_id = profile.string_table[7].clone();
    let (empty, full) = (folder.join("empty"), folder.join("full"));
    for folder in [&empty, &full] {
        fs::create_dir(folder).expect("a folder");
    }
    let [empty, full] = [&empty, &full].map(|path| path.to_str().expect("UTF-8"));
    let ran = symbolize(&["--debug-dir", empty], &profile.encode_to_vec());
    assert_eq!((ran.status, ran.profile_as_it_came().function.len()), (0, 0));
    let by_name = format!("{empty}/shop");
    let by_id = format!("{empty}/.build-id/{}/{}.debug", &build_id[..2], &build_id[2..]);
    for expected in
        ["/srv/gone/shop: 1 address", &build_id, "looked at /srv/gone/shop", &by_name, &by_id, "--debug-dir"]
    {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }

    fs::copy(own_path(), format!("{full}/shop")).expect("a copy");
    let ran = symbolize(&["--debug-dir", empty, "--debug-dir", full], &profile.encode_to_vec());
    assert_eq!(ran.profile_as_it_came().function.len(), 1, "{}", ran.err);
}

#[test]
fn another_build_gives_no_names() {
    let folder = folder("another_build");
    let other = compiled(&folder, "shop", "int main(void) { return 0; }\n", &[]);
    let mut profile = raw();
    profile.string_table[6].clone_from(&other);
    let ran = symbolize(&["--trust-paths"], &profile.encode_to_vec());
    assert!(ran.profile_as_it_came().function.is_empty());
    assert!(ran.err.contains("the file was replaced by another build"), "{}", ran.err);
}

#[test]
fn go_reads_what_was_named() {
    let folder = folder("go_reads");
    let [raw_path, named] =
        ["raw.pb", "named.pb.gz"].map(|name| folder.join(name).to_str().expect("UTF-8").to_owned());
    fs::write(&raw_path, raw().encode_to_vec()).expect("a file");
    let ran = symbolize(&[&raw_path, "-o", &named], b"");
    assert_eq!((ran.status, ran.out.len()), (0, 0));
    let text = go(&["-top", "-symbolize=none", &named]);
    assert!(text.lines().any(|line| line.ends_with("cli::pprof::landmark")), "{text}");
    let raw = go(&["-raw", "-symbolize=none", &named]);
    assert!(raw.contains("a remark") && raw.contains("route:[/orders]"), "{raw}");
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2, "nothing else is left there");
}
