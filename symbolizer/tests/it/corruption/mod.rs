//! Damaged files: whatever is in them, an answer comes, soon, and without much memory; and damage to one unit costs
//! the names of that unit. The work is done in a child, so that what breaks it or never ends is told from a test
//! that fails, and so that the peak of its memory is its own.

pub(crate) mod mutant;
mod victim;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use flamewatch_symbolizer::Resolved;

use crate::child;
use mutant::{KINDS, Numbers, mutant, struck};
use victim::{UNITS, Victim};

/// Mutants of each kind and victim.
const ROUNDS: u64 = 12;
/// What a mutant may take. On a machine that is not busy it is milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What all may take.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(60);
/// By how much the peak of the memory may grow for files of some 30 KiB: what a window on a file and the tables of
/// a decompressor take, and nothing that a number in a file could ask for.
const MEMORY: usize = 32 << 20;

#[test]
fn damaged_files_break_nothing_and_hold_nobody_up() {
    const TEST: &str = "corruption::damaged_files_break_nothing_and_hold_nobody_up";
    if !child::is_for(TEST) {
        return watch(TEST);
    }
    let victims = Victim::all();
    let before = peak_memory();
    for victim in &victims {
        let kinds = KINDS.iter().filter(|kind| victim.whole.can_have(**kind));
        for (kind, round) in kinds.flat_map(|kind| (0..ROUNDS).map(move |round| (*kind, round))) {
            let about = format!("{} {kind:?} {round}", victim.name);
            tell(&about);
            let mut numbers = Numbers::from_seed(round << 8 | kind as u64);
            check_answers(victim, &victim.resolve_with(&mutant(&victim.whole, kind, &mut numbers)), &about);
            let growth = peak_memory().saturating_sub(before);
            assert!(growth < MEMORY, "{about}: the peak grew by {growth} bytes");
        }
        let after = victim.resolve_with(&victim.whole.bytes);
        assert!(after.iter().eq(victim.right.iter().map(Vec::as_slice)), "{} is whole again", victim.name);
    }
    tell(&format!("the peak grew by {} KiB", (peak_memory() - before) >> 10));
}

#[test]
fn damage_to_one_unit_leaves_the_others_right() {
    const TEST: &str = "corruption::damage_to_one_unit_leaves_the_others_right";
    if !child::is_for(TEST) {
        return watch(TEST);
    }
    for (name, debug) in [("one-unit-dwarf-4", "-gdwarf-4"), ("one-unit-dwarf-5", "-gdwarf-5")] {
        let victim = Victim::alone(name, debug, "");
        let units = victim.whole.units();
        assert_eq!(units.len(), UNITS.len());
        let (mut all, mut right, mut lost) = (0, 0, 0);
        for round in 0..100 {
            let hit = usize::try_from(round).expect("small") % UNITS.len();
            let about = format!("{name} {} {round}", UNITS[hit]);
            tell(&about);
            let mut numbers = Numbers::from_seed(round);
            let bytes = struck(&victim.whole, units[hit].clone(), &mut numbers);
            let resolved = victim.resolve_with(&bytes);
            let (others, still) = victim.right_outside(UNITS[hit], &resolved);
            assert!(others > 100, "{about}: {others} addresses in the other units");
            (all, right) = (all + others, right + still);
            lost += victim.right.iter().zip(resolved.iter()).filter(|(right, found)| right != found).count();
        }
        assert!(right * 100 >= all * 99, "{name}: {right} of {all} right");
        assert!(lost > all - right, "{name}: the damage has cost the unit that was hit nothing");
    }
}

/// Each address is answered, by a chain that ends in a function that is not inlined.
#[track_caller]
fn check_answers(victim: &Victim, resolved: &Resolved, about: &str) {
    assert_eq!(resolved.len(), victim.right.len(), "{about}");
    for frames in resolved.iter() {
        let (last, inner) = frames.split_last().unwrap_or_else(|| panic!("{about}: no answer"));
        assert!(!last.inlined && inner.iter().all(|frame| frame.inlined), "{about}: {frames:?}");
        assert!(frames.iter().all(|frame| !frame.name.is_empty()), "{about}: {frames:?}");
    }
    assert_eq!(resolved.report().named() + resolved.report().unnamed(), victim.right.len(), "{about}");
}

/// Says to the parent where the child is.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn tell(place: &str) {
    println!("at {place}");
}

/// Runs `test` in a child, which must come to its end and say often enough where it is.
#[track_caller]
pub(crate) fn watch(test: &str) {
    let copy = child::Copy::of_this_program(test);
    let mut command = copy.command();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the copy runs");
    let (sender, lines) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let end = Instant::now() + PATIENCE_IN_ALL;
    let mut last = String::new();
    loop {
        let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()));
        match lines.recv_timeout(patience) {
            Ok(line) if line.starts_with("at ") => last = line,
            Ok(_) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return finish(child, &last),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().and_then(|()| child.wait()).expect("killed");
                panic!("no end: {last}");
            }
        }
    }
}

#[track_caller]
fn finish(child: Child, last: &str) {
    let output = child.wait_with_output().expect("an end");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}, {last}\n{errors}", output.status);
    assert!(!last.is_empty(), "the test did not run");
}

/// The most memory this process has had, in bytes.
pub(crate) fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}
