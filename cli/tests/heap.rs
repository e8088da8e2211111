//! A real heap dump: this program, started once more, leaks what nobody else would and has jemalloc write it down.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::run::{folder, own_path, symbolize};

/// Three objects of a size class, so that jemalloc's correction for it is none.
const OBJECTS: usize = 3;
const SIZE: usize = 1 << 20;

/// Set in the process that leaks.
const CHILD: &str = "FLAMEWATCH_TEST_LEAKS";

#[inline(never)]
fn leak_here() {
    for _ in 0..OBJECTS {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(SIZE)).leak());
    }
}

/// The dump of a process that has leaked.
pub(crate) fn dump() -> &'static Path {
    static DUMP: OnceLock<std::path::PathBuf> = OnceLock::new();
    DUMP.get_or_init(|| {
        let folder = folder("dump");
        let options =
            format!("prof:true,prof_final:true,lg_prof_sample:0,prof_prefix:{}/own", folder.display());
        let mut child = Command::new(own_path());
        child.args(["--exact", "heap::a_leak_stands_at_its_function", "--test-threads=1"]);
        let output = child.env(CHILD, "1").env("_RJEM_MALLOC_CONF", options).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let mut files = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        files.next().expect("jemalloc has written a dump")
    })
}

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![dump().to_str().expect("UTF-8")];
    arguments.extend(more);
    arguments
}

#[test]
fn a_leak_stands_at_its_function() {
    if std::env::var_os(CHILD).is_some() {
        return leak_here();
    }
    let ran = symbolize(&arguments(&[]), b"");
    let text = String::from_utf8(ran.out).expect("UTF-8");
    let leaks: Vec<&str> = text.lines().filter(|line| line.contains(";cli::heap::leak_here;")).collect();
    let [leak] = *leaks else { panic!("not one stack: {leaks:#?}") };
    assert!(leak.ends_with(&format!(" {}", OBJECTS * SIZE)), "{leak}");
    assert!(leak.contains("cli::heap::a_leak_stands_at_its_function;"), "outermost first: {leak}");

    let ran = symbolize(&arguments(&["--value", "inuse_objects"]), b"");
    let text = String::from_utf8(ran.out).expect("UTF-8");
    let leak = text.lines().find(|line| line.contains(";cli::heap::leak_here;")).expect("the leak");
    assert!(leak.ends_with(" 3"), "{leak}");
}

#[test]
fn the_table_shows_who_holds_most() {
    let ran = symbolize(&arguments(&["--to", "top"]), b"");
    let text = String::from_utf8(ran.out).expect("UTF-8");
    let row = text.lines().find(|line| line.ends_with("  cli::heap::leak_here")).expect("a row");
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(columns[3], "3.00MiB", "{text}");
}

#[test]
fn a_dump_from_elsewhere_needs_somebody_to_vouch_for_the_file() {
    let folder = folder("from_elsewhere");
    let text = fs::read_to_string(dump()).expect("a dump");
    let own = own_path();
    let moved = text.replace(&own, "/srv/gone/shop");
    let path = folder.join("moved.heap");
    fs::write(&path, moved).expect("a file");
    let moved = path.to_str().expect("UTF-8");

    let ran = symbolize(&[moved], b"");
    assert_eq!(ran.status, 0);
    assert!(!String::from_utf8_lossy(&ran.out).contains("leak_here"));
    for expected in ["/srv/gone/shop: ", "the file is gone", "looked at /srv/gone/shop", "--binary"] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }

    let copy = folder.join("shop");
    fs::copy(own, &copy).expect("a copy");
    let ran = symbolize(&["--binary", copy.to_str().expect("UTF-8"), moved], b"");
    assert!(String::from_utf8_lossy(&ran.out).contains(";cli::heap::leak_here;"), "{}", ran.err);
}

#[test]
fn go_reads_the_profile() {
    let named = folder("go_heap").join("heap.pb.gz");
    let named = named.to_str().expect("UTF-8");
    let ran = symbolize(&arguments(&["--to", "pprof", "--output", named]), b"");
    assert_eq!((ran.status, ran.out.len()), (0, 0), "{}", ran.err);
    let bytes = fs::read(named).expect("a file");
    flamewatch_contract::check(named, &bytes, &flamewatch_contract::Terms::made());
    let text = crate::pprof::go(&["-top", "-cum", "-sample_index=inuse_space", "-symbolize=none", named]);
    let row = text.lines().find(|line| line.ends_with("cli::heap::leak_here")).expect("a row");
    assert!(row.contains("3MB"), "{text}");
}
