//! The program `flamewatch`: names, shows and compares what profilers and people have written down.
//! Everything that reads and names stands in the modules; this file turns an end into an exit status.

mod address;
mod addresses;
mod amount;
mod belief;
mod binary;
mod collapsed;
mod doctor;
mod failure;
mod fetch;
mod fill;
mod finder;
mod folded;
#[cfg(test)]
mod fuzz;
mod heap;
mod help;
mod index;
mod input;
mod json;
mod leaks;
mod losses;
mod nameless;
mod naming;
mod options;
mod output;
mod perf;
mod perf_line;
mod plan;
mod profile;
mod progress;
mod proto;
mod read;
mod remote;
mod show;
mod stacks;
mod symbolize;
mod tables;
mod top;
mod unnamed;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use failure::Failure;
use options::{Command, Options};

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Top(options) => ended("top", show::top(&options)),
        Command::Flame(options) => ended("flame", show::flame(&options)),
        Command::Diff(options) => ended("diff", show::diff(&options)),
        Command::Fetch(options) => ended("fetch", fetch::run(&options)),
        Command::Doctor(options) => answered("doctor", doctor::run(&options).map(|well| !well)),
        Command::Completions(options) => {
            clap_complete::generate(
                options.shell,
                &mut Options::command(),
                "flamewatch",
                &mut std::io::stdout(),
            );
            ExitCode::SUCCESS
        }
        Command::Symbolize(options) => ended("symbolize", symbolize::run(&options)),
        Command::Index(options) => ended("index", index::run(&options)),
        Command::Plan(options) => ended("plan", plan::run(&options)),
        Command::Leaks(options) => answered("leaks", leaks::run(&options)),
    }
}

/// The status of a command whose status is its answer. As of diff and grep: 1 is an answer here, and trouble is 2.
fn answered(command: &str, wrong: Result<bool, Failure>) -> ExitCode {
    match wrong {
        Ok(wrong) => ExitCode::from(u8::from(wrong)),
        Err(failure) => {
            let _ = ended(command, Err(failure));
            ExitCode::from(2)
        }
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
