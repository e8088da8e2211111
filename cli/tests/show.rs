//! `flamewatch top`, `flame`, `diff` and `completions`, on collapsed stacks and on a real heap dump of this program.

use std::fs;

use crate::run::{Ran, flamewatch, folder};

const BEFORE: &str = "main;work;fill 4096\nmain;idle 100\n";
const AFTER: &str = "main;work;fill 12288\nmain;idle 40\n";

fn ran(command: &str, arguments: &[&str], input: &str) -> Ran {
    flamewatch(command, arguments, input.as_bytes())
}

#[test]
fn a_table_of_functions() {
    let ran = ran("top", &["-"], BEFORE);
    let rows: Vec<&str> = ran.text().lines().filter(|line| line.contains('%')).collect();
    assert!(rows.iter().any(|row| row.starts_with("4,096 97.6%") && row.ends_with("fill")), "{rows:?}");
    assert!(rows.iter().any(|row| row.ends_with("main") && row.contains("4,196 100.0%")), "{rows:?}");
}

#[test]
fn a_flame_graph_is_a_drawing_or_a_picture() {
    let folder = folder("show");
    let svg = ran("flame", &["-", "--title", "shop, <today>"], BEFORE);
    assert!(
        svg.text().contains("shop, &lt;today&gt;") && svg.text().contains(">fill (4,096"),
        "{}",
        svg.text()
    );
    let picture = folder.join("cpu.png");
    let path = picture.to_str().expect("UTF-8");
    for (size, width) in [("full", 1600_u32), ("preview", 960)] {
        assert_eq!(ran("flame", &["-", "-o", path, "--size", size], BEFORE).status, 0);
        let bytes = fs::read(&picture).expect("a picture");
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert_eq!(bytes[16..20], width.to_be_bytes(), "{size}");
    }
}

#[test]
fn a_difference_has_what_grew_and_what_shrank() {
    let folder = folder("diff");
    let (before, after) = (folder.join("before"), folder.join("after"));
    fs::write(&before, BEFORE).expect("written");
    fs::write(&after, AFTER).expect("written");
    let [before, after] = [&before, &after].map(|path| path.to_str().expect("UTF-8"));
    let table = ran("diff", &[before, after], "");
    assert!(
        table.text().lines().any(|row| row.starts_with("+8,192") && row.ends_with("fill")),
        "{}",
        table.text()
    );
    assert!(table.text().lines().any(|row| row.trim_start().starts_with("-60") && row.ends_with("idle")));
    let folded = ran("diff", &["--to", "folded", before, after], "");
    assert_eq!(folded.text(), "main;work;fill 8192\n");
    let same = ran("diff", &["--to", "folded", before, before], "");
    assert_eq!(same.text(), "");
    // The difference is a profile like any other.
    let profile = ran("diff", &["--to", "pprof", before, after], "").profile();
    let mut values: Vec<i64> = profile.sample.iter().map(|sample| sample.value[0]).collect();
    values.sort_unstable();
    assert_eq!(values, [-60, 8192]);
}

#[test]
fn what_makes_no_sense_is_told_in_one_line() {
    for (command, arguments, input, status, expected) in [
        ("top", &["-"][..], "Dear diary,\n", 1, "standard input: it is neither a pprof profile"),
        ("top", &["-", "--value", "bytes"], BEFORE, 2, "--value bytes: there is no such value, only samples"),
        ("top", &["/nowhere"], "", 1, "cannot read /nowhere"),
        ("flame", &["-"], "main;work\nmain 1\n", 1, "standard input: it is neither"),
        ("flame", &["-"], "main 1\nmain;work\n", 1, "standard input: line 2 is no collapsed stack"),
        ("fetch", &["ftp://h"], "", 2, "ftp://h is no http URL"),
        ("fetch", &["127.0.0.1:1"], "", 1, "cannot ask http://127.0.0.1:1"),
        ("fetch", &["x:secret@127.0.0.1:1"], "", 1, "cannot ask http://127.0.0.1:1"),
        ("doctor", &["127.0.0.1:1"], "", 2, "cannot ask http://127.0.0.1:1"),
    ] {
        let ran = ran(command, arguments, input);
        assert_eq!(ran.status, status, "{command} {arguments:?}: {}", ran.err);
        assert!(
            ran.err.starts_with(&format!("flamewatch: {expected}")),
            "{command} {arguments:?}: {}",
            ran.err
        );
        assert!(!ran.err.contains("secret"), "{}", ran.err);
    }
}

#[test]
fn profiles_that_count_different_things_are_not_compared() {
    let folder = folder("unlike");
    let stacks = folder.join("stacks");
    fs::write(&stacks, BEFORE).expect("written");
    let dump = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data/heap_v2.txt");
    let ran = ran("diff", &["-q", stacks.to_str().expect("UTF-8"), dump], "");
    assert_eq!(ran.status, 1);
    assert!(
        ran.err.contains("they count different things: the first has samples (count), the second"),
        "{}",
        ran.err
    );
}

#[test]
fn every_command_has_help_that_teaches_and_shells_can_complete_it() {
    let bash = ran("completions", &["bash"], "");
    for command in ["top", "flame", "diff", "fetch", "doctor", "completions", "symbolize", "leaks", "index"] {
        let help = ran(command, &["--help"], "");
        assert!(help.text().contains("Example"), "{command}: {}", help.text());
        assert!(
            command == "completions" || help.text().contains("Exit status:"),
            "{command}: {}",
            help.text()
        );
        assert!(
            bash.text().contains(&format!("flamewatch__{command}"))
                || bash.text().contains(&format!("flamewatch__subcmd__{command}")),
            "{command}"
        );
    }
}
