//! The command line, and the help that replaces a manual.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::help;

/// Tools for profiles: of flamewatch and of others, from files and from running services.
#[derive(Debug, Parser)]
#[command(name = "flamewatch", version, arg_required_else_help = true, after_help = help::FIRST)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the functions that have most, as a table
    #[command(after_help = help::TOP_EXAMPLES)]
    Top(Top),

    /// Draw a flame graph, to be looked at in a browser (SVG) or anywhere else (PNG)
    #[command(after_help = help::FLAME_EXAMPLES)]
    Flame(Flame),

    /// Show what one profile has more than another
    #[command(after_help = help::DIFF_EXAMPLES)]
    Diff(Diff),

    /// Save a profile of a running service, with its names, after looking whether it is one
    #[command(
        after_help = help::FETCH_EXAMPLES,
        mut_arg("output", |output| output.help(help::FETCHED)),
        mut_arg("binary", |binary| binary.help(help::BINARY)),
    )]
    Fetch(Fetch),

    /// Ask a running service for everything once, and say what does not work
    #[command(after_help = help::DOCTOR_EXAMPLE, long_about = help::ABOUT_DOCTOR)]
    Doctor(Doctor),

    /// Write what a shell needs to complete command lines
    #[command(after_help = help::COMPLETIONS_EXAMPLE)]
    Completions(Completions),

    /// Give names, files, lines and inlined functions to the addresses in profiles, dumps and traces
    #[command(after_help = help::EXAMPLES, long_about = help::ABOUT)]
    Symbolize(Symbolize),

    /// Say what grew between heap snapshots of one process, and whether it looks like a leak
    #[command(after_help = help::LEAKS_EXAMPLES, long_about = help::ABOUT_LEAKS, mut_arg("binary", |binary| binary.help(help::BINARY)))]
    Leaks(Leaks),

    /// Write down what a binary's debug info says, in a small file beside it, before the binary is stripped
    #[command(after_help = help::INDEX_EXAMPLE, long_about = help::ABOUT_INDEX)]
    Index(Index),

    /// Write down where a program's tasks wait, in a small file beside it, before the program is stripped
    #[command(after_help = help::PLAN_EXAMPLES, long_about = help::ABOUT_PLAN)]
    Plan(Plan),
}

#[derive(Args, Debug)]
pub(crate) struct Leaks {
    /// Heap snapshots of one process, two or more, in any order; `-` for standard input, or an address for what is now
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,

    /// Write one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// How many places are shown, those that may leak and grew most first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    #[command(flatten)]
    pub(crate) manner: Manner,
}

#[derive(Args, Debug)]
pub(crate) struct Index {
    /// The executable or library, with its debug info
    #[arg(value_name = "BINARY")]
    pub(crate) binary: PathBuf,

    /// Write to FILE, which is replaced at once when all is done, instead of BINARY.fwi
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// The program, with its debug info
    #[arg(value_name = "BINARY")]
    pub(crate) binary: PathBuf,

    /// Write to FILE, which is replaced at once when all is done, instead of BINARY.plan; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write to DIR, which is made if it is not there, as BUILDID.plan: a place for the plans of many builds
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub(crate) into: Option<PathBuf>,

    /// Look for the debug info of a program that is stripped in DIR too; may be given again
    #[arg(long, value_name = "DIR")]
    pub(crate) debug_dir: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Symbolize {
    /// Files or URLs to read, `-` for standard input, or addresses that begin with 0x; without any, standard input
    #[arg(value_name = "FILE|ADDRESS")]
    pub(crate) inputs: Vec<String>,

    /// What the files are, instead of finding out
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,

    /// What to write: by default pprof from pprof, and folded from heap and perf
    #[arg(long, value_name = "FORM", conflicts_with = "json")]
    pub(crate) to: Option<Form>,

    /// Write one JSON object a line for each stack or address
    #[arg(long)]
    pub(crate) json: bool,

    /// Which of a profile's values folded and top show, such as inuse_objects; by default the profile's own default
    #[arg(long, value_name = "NAME")]
    pub(crate) value: Option<String>,

    #[command(flatten)]
    pub(crate) manner: Manner,

    /// Plain addresses are of a process whose /proc/PID/maps was saved in FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "binary"])]
    pub(crate) maps: Option<PathBuf>,

    /// Plain addresses are of the running process PID
    #[arg(long, value_name = "PID", conflicts_with = "binary")]
    pub(crate) pid: Option<u32>,

    /// Plain addresses are return addresses, as a backtrace has them: look at the call before each
    #[arg(long)]
    pub(crate) return_addresses: bool,
}

/// A profile, and what to show of it.
#[derive(Args, Debug)]
pub(crate) struct Look {
    /// The profile: a file, `-` for standard input, or the address of a running service
    #[arg(value_name = "FILE")]
    pub(crate) file: String,

    /// Which of the profile's values to show, such as inuse_objects; by default the profile's own default
    #[arg(long, value_name = "NAME")]
    pub(crate) value: Option<String>,

    /// Keep the allocator's frames, and in a drawing each frame of the runtime
    #[arg(long)]
    pub(crate) raw: bool,

    #[command(flatten)]
    pub(crate) manner: Manner,
}

#[derive(Args, Debug)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Args, Debug)]
pub(crate) struct Flame {
    #[command(flatten)]
    pub(crate) look: Look,

    /// What to draw: by default what the output's name ends with, else svg
    #[arg(long, value_name = "FORM")]
    pub(crate) to: Option<Drawn>,

    /// How large a picture (png) is: full to be read, preview to be glanced at
    #[arg(long, value_name = "SIZE", default_value = "full")]
    pub(crate) size: Size,

    /// The title of the drawing
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The profile that is subtracted, from the same places
    #[arg(value_name = "BASE")]
    pub(crate) base: String,

    #[command(flatten)]
    pub(crate) look: Look,

    /// What to write: by default what the output's name ends with, else a table
    #[arg(long, value_name = "FORM")]
    pub(crate) to: Option<Drawn>,
}

#[derive(Args, Debug)]
pub(crate) struct Fetch {
    /// The service's debug port, such as 127.0.0.1:6060 (6060 is the port where none is said), or the URL of a profile
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Which profile: heap, cpu (Go's profile), wall, tasks (goroutine), threads (threadcreate), or another that the port
    /// lists; not looked at where the URL is one of a profile
    #[arg(value_name = "PROFILE", default_value = "heap")]
    pub(crate) profile: String,

    /// How long to look, or what changed over so many seconds
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    #[command(flatten)]
    pub(crate) manner: Manner,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// The service's debug port, such as 127.0.0.1:6060
    #[arg(value_name = "URL")]
    pub(crate) url: String,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// What a profile is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawn {
    /// an interactive flame graph
    Svg,
    /// a picture of one
    Png,
    /// a table of functions
    Top,
    /// a line a stack
    Folded,
    /// profile.proto, gzipped
    Pprof,
    /// the whole profile as JSON
    Json,
}

/// How large a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    Full,
    Preview,
}

/// What is the same in every command that names addresses: where its answer goes, where names come from, and whether it
/// says which are lacking.
#[derive(Args, Debug)]
pub(crate) struct Manner {
    /// Write to FILE, which is replaced at once when all is done, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) naming: Naming,

    /// Say nothing about what has no name
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Where names come from.
#[derive(Args, Debug)]
pub(crate) struct Naming {
    /// Look for executables and debug info in DIR too; may be given again
    #[arg(long, value_name = "DIR")]
    pub(crate) debug_dir: Vec<PathBuf>,

    /// Ask the servers in DEBUGINFOD_URLS for debug info that is on no disk; kept in the cache directory
    #[arg(long)]
    pub(crate) debuginfod: bool,

    /// The file that plain addresses are of. For other inputs, take PATH for the module with this file name, whose
    /// identity you vouch for unless the input has its build id; may be given again
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Vec<PathBuf>,

    /// Take the files at the paths in the input for those that ran, where the input has no build id and the inode
    /// is another. A file that was replaced since then gives wrong names
    #[arg(long)]
    pub(crate) trust_paths: bool,
}

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Pprof,
    Heap,
    Perf,
    /// a line a stack, as flame graph tools read it
    Folded,
    Addresses,
}

/// What a profile is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// profile.proto, gzipped
    Pprof,
    /// a line a stack, outermost function first: `main;work;malloc 4096`
    Folded,
    /// a table of functions, as `go tool pprof -top` has it
    Top,
    /// a JSON object a stack, the same as --json
    Json,
}
