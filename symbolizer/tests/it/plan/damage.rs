//! Damaged programs: a plan or none comes, soon, and without much memory, and what comes can be read again.

use std::fs;

use flamewatch_symbolizer::plan::Plan;

use super::Form;
use crate::corruption::mutant::{Elf, KINDS, Numbers, mutant};
use crate::corruption::{peak_memory, tell, watch};
use crate::{c, child};

/// Mutants of each kind.
const ROUNDS: u64 = 15;
/// By how much the peak of the memory may grow: what a window on a file and a decompressor take, and nothing that a
/// number in the file could ask for.
const MEMORY: usize = 48 << 20;

#[test]
fn damaged_programs_break_nothing_and_hold_nobody_up() {
    const TEST: &str = "plan::damage::damaged_programs_break_nothing_and_hold_nobody_up";
    if !child::is_for(TEST) {
        Form::copy("damaged");
        return watch(TEST);
    }
    let directory = c::scratch("plan-damaged");
    let form = Form { program: directory.join("shop"), directory };
    let whole = form.plan();
    let elf = Elf::parse(fs::read(&form.program).expect("a program"));
    let (mut plans, mut felt) = (0, 0);
    let before = peak_memory();
    for (kind, round) in KINDS.into_iter().flat_map(|kind| (0..ROUNDS).map(move |round| (kind, round))) {
        if !elf.can_have(kind) {
            continue;
        }
        let about = format!("{kind:?} {round}");
        tell(&about);
        let mut numbers = Numbers::from_seed(round << 8 | kind as u64);
        fs::write(&form.program, mutant(&elf, kind, &mut numbers)).expect("written");
        if let Ok(plan) = Plan::of(&form.program) {
            let mut text = Vec::new();
            plan.write(&mut text).expect("into memory");
            let read = Plan::read(&*text).unwrap_or_else(|error| panic!("{about}: {error}"));
            plans += 1;
            felt += usize::from(format!("{read:?}") != format!("{whole:?}"));
        }
        let growth = peak_memory().saturating_sub(before);
        assert!(growth < MEMORY, "{about}: the peak grew by {growth} bytes");
    }
    assert!(plans > 10 && felt > 5, "{plans} plans, {felt} of them others");
    tell(&format!("the peak grew by {} KiB", (peak_memory() - before) >> 10));
}
