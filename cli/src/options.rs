//! The command line, and the help that replaces a manual.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tools for profiles: of flamewatch and of others, from files and from running services.
#[derive(Debug, Parser)]
#[command(name = "flamewatch", version, arg_required_else_help = true, after_help = FIRST)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the functions that have most, as a table
    #[command(after_help = TOP_EXAMPLES)]
    Top(Top),

    /// Draw a flame graph, to be looked at in a browser (SVG) or anywhere else (PNG)
    #[command(after_help = FLAME_EXAMPLES)]
    Flame(Flame),

    /// Show what one profile has more than another
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),

    /// Save a profile of a running service, after looking whether it is one
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(Fetch),

    /// Ask a running service for everything once, and say what does not work
    #[command(after_help = DOCTOR_EXAMPLE, long_about = ABOUT_DOCTOR)]
    Doctor(Doctor),

    /// Write what a shell needs to complete command lines
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions(Completions),

    /// Give names, files, lines and inlined functions to the addresses in profiles, dumps and traces
    #[command(after_help = EXAMPLES, long_about = ABOUT)]
    Symbolize(Symbolize),

    /// Say what grew between heap snapshots of one process, and whether it looks like a leak
    #[command(after_help = LEAKS_EXAMPLES, long_about = ABOUT_LEAKS, mut_arg("binary", |binary| binary.help(BINARY)))]
    Leaks(Leaks),

    /// Write down what a binary's debug info says, in a small file beside it, before the binary is stripped
    #[command(after_help = INDEX_EXAMPLE, long_about = ABOUT_INDEX)]
    Index(Index),
}

const FIRST: &str = "\
After an incident:
  flamewatch doctor shop:6060                         does the service tell all it can?
  flamewatch fetch shop:6060 heap -o now.pb.gz        keep what is there before it is gone
  flamewatch top now.pb.gz                            who holds the memory
  flamewatch diff before.pb.gz now.pb.gz              who holds more than before
  flamewatch leaks 1.pb.gz 2.pb.gz 3.pb.gz            does it look like a leak

Exit status: 0 done, 1 it cannot be read or reached, 2 the command line makes no sense. That of `leaks` and `doctor` is
their answer: 0 nothing is wrong, 1 something is, 2 trouble.
";

const TOP_EXAMPLES: &str = "\
Reads pprof, jemalloc's heap_v2, the text of `perf script` and collapsed stacks, and tells them apart by content.

Examples:
  flamewatch top heap.pb.gz
  flamewatch top --value alloc_space heap.pb.gz
  curl -s 127.0.0.1:6060/debug/pprof/heap | flamewatch top -
";

const FLAME_EXAMPLES: &str = "\
Examples:
  flamewatch flame cpu.pb.gz -o cpu.svg
  flamewatch flame cpu.pb.gz -o cpu.png --size preview
  perf script | flamewatch flame - > cpu.svg
";

const DIFF_EXAMPLES: &str = "\
The first profile is subtracted from the second. What shrank is below zero in a table, and left out of a flame graph,
which says how much that is.

Examples:
  flamewatch diff monday.pb.gz tuesday.pb.gz
  flamewatch diff monday.pb.gz tuesday.pb.gz -o more.svg
  flamewatch diff --to pprof monday.pb.gz tuesday.pb.gz -o more.pb.gz && go tool pprof -top more.pb.gz
";

const FETCH_EXAMPLES: &str = "\
The token of a guarded port is taken from FLAMEWATCH_TOKEN, or from the URL (http://x:TOKEN@host:6060).

Examples:
  flamewatch fetch 127.0.0.1:6060
  flamewatch fetch 127.0.0.1:6060 profile --seconds 10 -o cpu.pb.gz
  flamewatch fetch http://shop:6060/debug/pprof/goroutine
";

const ABOUT_DOCTOR: &str = "\
Ask a running service for everything once, and say what does not work.

Takes a CPU and a wall-clock profile of a second each, a heap profile, the tasks and the threads, and reads the metrics.
Exit status: 0 all is well, 1 something is not, 2 there is nobody to ask.";

const DOCTOR_EXAMPLE: &str = "\
Example:
  flamewatch doctor 127.0.0.1:6060
";

const COMPLETIONS_EXAMPLE: &str = "\
Examples:
  flamewatch completions bash > /etc/bash_completion.d/flamewatch
  flamewatch completions fish > ~/.config/fish/completions/flamewatch.fish
";

const ABOUT_INDEX: &str = "\
Write down what a binary's debug info says, in a small file beside it, before the binary is stripped.

The index has functions, inlined functions, files and lines for every address. It is found by its place, beside the
stripped binary as BINARY.fwi or in a debug directory as .build-id/ab/cdef....fwi, and used only for the build whose
build id it carries.";

const INDEX_EXAMPLE: &str = "\
Example:
  cargo build --release && flamewatch index target/release/shop && strip target/release/shop
  (then ship shop and shop.fwi, side by side)
";

const ABOUT: &str = "\
Give names, files, lines and inlined functions to the addresses in profiles, dumps and traces.

Reads, and tells apart by content:
  pprof       profile.proto, gzipped or not: a copy of it in which every location has functions that can have
  heap        jemalloc heap_v2 dumps: collapsed stacks, bytes in use, scaled up for sampling as jeprof does
  perf        the text of `perf script`, of a recording with call graphs: collapsed stacks, samples
  folded      collapsed stacks, `main;work;malloc 4096`: the same, or another form of it
  addresses   hexadecimal addresses, one a line or as arguments: lines like those of `addr2line -afip`

A file is used only when it is proved to be what ran: by its build id, else by its inode. What cannot be proved
keeps its address, and a message at the end says which file is missing and where it was looked for.

Exit status: 0 when done (what has no name is told on standard error), 1 when the input cannot be read,
2 when the command line makes no sense.";

const EXAMPLES: &str = "\
Examples:
  A profile without names, from a machine that has no debug info, to go tool pprof:
    flamewatch symbolize --debug-dir ./builds raw.pb.gz --output named.pb.gz

  A heap dump of jemalloc as a flame graph, as a table, and for go tool pprof:
    flamewatch symbolize jeprof.1.0.f.heap > heap.folded
    flamewatch symbolize --to top jeprof.1.0.f.heap
    flamewatch symbolize --to pprof jeprof.1.0.f.heap --output heap.pb.gz

  The same dump on another machine, where only the file itself can be vouched for:
    flamewatch symbolize --binary target/release/shop jeprof.1.0.f.heap

  Inlined functions and readable names for perf:
    perf record -g ./shop && perf script | flamewatch symbolize > cpu.folded

  Addresses as a file counts them, as a process counts them, as a process counted them once:
    flamewatch symbolize --binary ./shop 0x1a2b3 0x1a2c0
    flamewatch symbolize --pid 4711 0x55d0c0001a2b
    grep -o '0x[0-9a-f]*' crash.log | flamewatch symbolize --maps crash.maps
";

const ABOUT_LEAKS: &str = "\
Say what grew between heap snapshots of one process, and whether it looks like a leak.

Reads pprof files that have inuse_space, from flamewatch, Go, jemalloc_pprof and others, and heap_v2 dumps of jemalloc.
They are put in order by the time that they carry, else by when the file was modified, which is said. Stacks are
grouped by the innermost function of your own code; below it stands through what it allocates.

What snapshots can tell:
  2 files          what grew, and not why: a leak, a cache that fills and more load look the same
  3 and more       whether it grows steadily, slows, has leveled off, or goes up and down
  alloc_space too  how much of what a place allocated in between is still held, which rules out most of the above,
                   and whether the whole process allocated faster, which is what load looks like

Profiles are sampled, so each growth is shown with its standard error, from the number of samples behind it. What is
less than three times its error, or four among thousands of places, is called noise: chance does as much.

Exit status: 0 when nothing grew that may be a leak, 1 when a place did, 2 when the files cannot be read or compared
or the command line makes no sense. Leveled off, up and down, and noise are 0.";

const LEAKS_EXAMPLES: &str = "\
Examples:
  Six snapshots of a running service, ten minutes apart, and what they say:
    for i in 1 2 3 4 5 6; do curl -so heap.$i.pb.gz 127.0.0.1:6060/debug/pprof/heap; sleep 600; done
    flamewatch leaks heap.*.pb.gz

  Dumps that jemalloc wrote by itself, with names from the build that ran:
    flamewatch leaks --binary target/release/shop jeprof.4711.*.heap

  Dumps whose times were lost when they were copied:
    touch -d '2026-03-01 14:20' jeprof.4711.3.i3.heap

  For a script:
    flamewatch leaks --json heap.*.pb.gz | jq '.places[] | select(.may_leak)'
";

const BINARY: &str = "\
Take PATH for the module with this file name, whose identity you vouch for unless the snapshot has its build id; may
be given again";

#[derive(Args, Debug)]
pub(crate) struct Leaks {
    /// Heap snapshots of one process, two or more, in any order; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,

    /// Write one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// How many places are shown, those that may leak and grew most first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    /// Write to FILE, which is replaced at once when all is done, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) naming: Naming,

    /// Say nothing about what has no name
    #[arg(long, short)]
    pub(crate) quiet: bool,
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
pub(crate) struct Symbolize {
    /// Files to read, `-` for standard input, or addresses that begin with 0x; without any, standard input
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

    /// Write to FILE, which is replaced at once when all is done, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) naming: Naming,

    /// Plain addresses are of a process whose /proc/PID/maps was saved in FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "binary"])]
    pub(crate) maps: Option<PathBuf>,

    /// Plain addresses are of the running process PID
    #[arg(long, value_name = "PID", conflicts_with = "binary")]
    pub(crate) pid: Option<u32>,

    /// Plain addresses are return addresses, as a backtrace has them: look at the call before each
    #[arg(long)]
    pub(crate) return_addresses: bool,

    /// Say nothing about what has no name
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// A profile, and what to show of it.
#[derive(Args, Debug)]
pub(crate) struct Look {
    /// The profile; `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: String,

    /// Which of the profile's values to show, such as inuse_objects; by default the profile's own default
    #[arg(long, value_name = "NAME")]
    pub(crate) value: Option<String>,

    /// Keep the allocator's frames, and in a drawing each frame of the runtime
    #[arg(long)]
    pub(crate) raw: bool,

    /// Write to FILE, which is replaced at once when all is done, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) naming: Naming,

    /// Say nothing about what has no name
    #[arg(long, short)]
    pub(crate) quiet: bool,
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
    /// The profile that is subtracted
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
    /// The service's debug port, such as 127.0.0.1:6060, or the whole URL of a profile
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Which profile: heap, profile (CPU), wall, goroutine (tasks), threadcreate, and whatever else the port lists
    #[arg(value_name = "PROFILE", default_value = "heap")]
    pub(crate) profile: String,

    /// How long to look, or what changed over so many seconds
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    /// Write to FILE instead of HOST.PROFILE.TIME.pb.gz
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
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
