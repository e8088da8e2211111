//! The program `flamewatch`: names addresses in what profilers and people have written down.
//! Everything that reads and names stands in the modules; this file turns an end into an exit status.

mod addresses;
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

use options::{Command, Options};

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Symbolize(options) => symbolize::run(&options),
        Command::Index(options) => index::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "flamewatch: {failure}");
            failure.exit_code()
        }
    }
}
