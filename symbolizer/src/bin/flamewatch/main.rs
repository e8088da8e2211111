//! The program `flamewatch`: names addresses in what profilers and people have written down.
//! Everything that reads and names stands in the modules; this file turns an end into an exit status.

mod addresses;
mod amount;
mod belief;
mod binary;
mod failure;
mod fill;
mod finder;
mod folded;
mod heap;
mod index;
mod input;
mod json;
mod leaks;
mod nameless;
mod naming;
mod options;
mod output;
mod perf;
mod perf_line;
mod profile;
mod progress;
mod proto;
mod stacks;
mod symbolize;
mod tables;
mod top;
mod unnamed;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use failure::Failure;
use options::{Command, Options};

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Symbolize(options) => ended("symbolize", symbolize::run(&options)),
        Command::Index(options) => ended("index", index::run(&options)),
        Command::Leaks(options) => match leaks::run(&options) {
            Ok(may_leak) => ExitCode::from(u8::from(may_leak)),
            Err(failure) => {
                let _ = ended("leaks", Err(failure));
                // As of diff and grep: 1 is an answer here, and trouble is 2.
                ExitCode::from(2)
            }
        },
    }
}

/// The status of a command that is done, after its failure is told.
fn ended(command: &str, done: Result<(), Failure>) -> ExitCode {
    let Err(failure) = done else { return ExitCode::SUCCESS };
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "flamewatch: {failure}");
    if failure.is_misuse() {
        let _ = writeln!(std::io::stderr(), "See: flamewatch {command} --help");
    }
    failure.exit_code()
}
