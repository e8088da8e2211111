//! What `--help` says beside the list of options: the manual.

pub(crate) const FIRST: &str = "\
After an incident:
  flamewatch doctor shop:6060                         does the service tell all it can?
  flamewatch top shop:6060                            who holds the memory, right now
  flamewatch fetch shop:6060 heap -o now.pb.gz        keep what is there before it is gone, with its names
  flamewatch diff before.pb.gz now.pb.gz              who holds more than before
  flamewatch leaks 1.pb.gz 2.pb.gz 3.pb.gz            does it look like a leak
  flamewatch flame now.pb.gz -o now.png               a picture for the ticket

Wherever a FILE is read, an address will do: HOST:PORT (its heap), the URL of a profile, or the link from an alert. The
token of a guarded port is taken from FLAMEWATCH_TOKEN, or from the URL (http://x:TOKEN@HOST:PORT), and never shown.

Exit status: 0 done, 1 it cannot be read or reached, 2 the command line makes no sense. That of `leaks` and `doctor` is
their answer: 0 nothing is wrong, 1 something is, 2 trouble.
";

pub(crate) const TOP_EXAMPLES: &str = "\
Reads pprof, jemalloc's heap_v2, the text of `perf script` and collapsed stacks, and tells them apart by content.

Examples:
  flamewatch top heap.pb.gz
  flamewatch top --value alloc_space heap.pb.gz
  flamewatch top 127.0.0.1:6060
  flamewatch top 'shop:6060/debug/pprof/profile?seconds=10'
  curl -s 127.0.0.1:6060/debug/pprof/heap | flamewatch top -

Exit status: 0 done, 1 it cannot be read or reached, 2 the command line makes no sense.
";

pub(crate) const FLAME_EXAMPLES: &str = "\
Reads what `flamewatch top` reads.

Examples:
  flamewatch flame cpu.pb.gz -o cpu.svg
  flamewatch flame cpu.pb.gz -o cpu.png --size preview
  flamewatch flame 127.0.0.1:6060 -o heap.svg
  perf script | flamewatch flame - > cpu.svg

Exit status: 0 done, 1 it cannot be read or reached, 2 the command line makes no sense.
";

pub(crate) const DIFF_EXAMPLES: &str = "\
The first profile is subtracted from the second. What shrank is below zero in a table, and left out of a flame graph,
which says how much that is. Reads what `flamewatch top` reads; both have to count the same.

Examples:
  flamewatch diff monday.pb.gz tuesday.pb.gz
  flamewatch diff before.pb.gz 127.0.0.1:6060
  flamewatch diff monday.pb.gz tuesday.pb.gz -o more.svg
  flamewatch diff --to pprof monday.pb.gz tuesday.pb.gz -o more.pb.gz && go tool pprof -top more.pb.gz

Exit status: 0 done, 1 it cannot be read or reached, 2 the command line makes no sense.
";

pub(crate) const FETCH_EXAMPLES: &str = "\
What is fetched is looked at before it is saved: half a profile, or an error page, is none. Addresses without a name get
one where the file that ran is at hand (--binary, --debug-dir, or the same machine), as `flamewatch symbolize` does it;
else the profile is saved as it came, and a message says which file is missing.

The token of a guarded port is taken from FLAMEWATCH_TOKEN, or from the URL (http://x:TOKEN@host:6060); the variable
keeps it out of the shell's history.

Examples:
  flamewatch fetch 127.0.0.1:6060
  flamewatch fetch shop cpu --seconds 10 -o cpu.pb.gz
  flamewatch fetch http://shop:6060/debug/pprof/goroutine
  flamewatch fetch 'http://shop:6060/debug/flame?snapshot=ID'           the link in an alert
  flamewatch fetch shop:6060 --binary target/release/shop

Exit status: 0 saved, with or without names; 1 it cannot be reached or is no profile; 2 the command line makes no sense.
";

pub(crate) const ABOUT_DOCTOR: &str = "\
Ask a running service for everything once, and say what does not work.

Takes a CPU and a wall-clock profile of a second each, a heap profile, the tasks and the threads, and reads the metrics.
Exit status: 0 all is well, 1 something is not, 2 there is nobody to ask.";

pub(crate) const DOCTOR_EXAMPLE: &str = "\
Examples:
  flamewatch doctor 127.0.0.1:6060
  FLAMEWATCH_TOKEN=$(cat token) flamewatch doctor https://debug.shop.example
";

pub(crate) const COMPLETIONS_EXAMPLE: &str = "\
Examples:
  flamewatch completions bash > /etc/bash_completion.d/flamewatch
  flamewatch completions zsh > ~/.zfunc/_flamewatch
  flamewatch completions fish > ~/.config/fish/completions/flamewatch.fish
";

pub(crate) const ABOUT_INDEX: &str = "\
Write down what a binary's debug info says, in a small file beside it, before the binary is stripped.

The index has functions, inlined functions, files and lines for every address. It is found by its place, beside the
stripped binary as BINARY.fwi or in a debug directory as .build-id/ab/cdef....fwi, and used only for the build whose
build id it carries.";

pub(crate) const INDEX_EXAMPLE: &str = "\
Example:
  cargo build --release && flamewatch index target/release/shop && strip target/release/shop
  (then ship shop and shop.fwi, side by side)

Exit status: 0 written, 1 the binary cannot be read, 2 the command line makes no sense.
";

pub(crate) const ABOUT_PLAN: &str = "\
Write down where a program's tasks wait, in a small file beside it, before the program is stripped.

The plan has which future each of tokio's tasks is, in which line it waits in each of its states, and where in it the
future is that it waits for. With it flamewatch tells of each task in a running service, without touching it, the whole
chain of functions that wait for each other. It is text, found by its place, beside the program as BINARY.plan or in a
directory as BUILDID.plan, and used only for the build whose build id it carries.

What the plan has is what the program was built with:
  debug = 2                               each task's chain of awaits, with files and lines
  debug = 1                               the name of each task's future
  no debug info, -C symbol-mangling-version=v0   the same, from the symbol table";

pub(crate) const PLAN_EXAMPLES: &str = "\
Examples:
  CARGO_PROFILE_RELEASE_DEBUG=2 cargo build --release && flamewatch plan target/release/shop && strip target/release/shop
  (then ship shop and shop.plan, side by side)

  The plans of many builds, by their build ids:
    flamewatch plan --into plans target/release/shop

  What is in it:
    flamewatch plan -o - target/release/shop | less

Exit status: 0 written, 1 the program cannot be read or has nothing to plan, 2 the command line makes no sense.
";

pub(crate) const ABOUT: &str = "\
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

pub(crate) const EXAMPLES: &str = "\
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

pub(crate) const ABOUT_LEAKS: &str = "\
Say what grew between heap snapshots of one process, and whether it looks like a leak.

Reads pprof files that have inuse_space, from flamewatch, Go, jemalloc_pprof and others, heap_v2 dumps of jemalloc, and
collapsed stacks, whose numbers are taken for bytes in use.
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

pub(crate) const LEAKS_EXAMPLES: &str = "\
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

pub(crate) const BINARY: &str = "\
Take PATH for the module with this file name, whose identity you vouch for unless the snapshot has its build id; may
be given again";

pub(crate) const FETCHED: &str = "Write to FILE instead of HOST.PROFILE.TIME.pb.gz; `-` for standard output";
