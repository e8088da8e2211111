//! The program that knows its own addresses: compiled into a form, run, and what it says of itself.
//! Its source is in `tests/truth`.

mod score;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flamewatch_symbolizer::{Addr, ModuleMap, Resolved, Symbolizer};

use crate::{c, tool};

pub(crate) use score::Score;

/// How many points the program has, and how many of them are in its library.
pub(crate) const POINTS: usize = 12;
pub(crate) const LIBRARY_POINTS: usize = 2;

/// The program and its library in one of the forms that files come in, in a directory of their own.
pub(crate) struct Form {
    pub(crate) directory: PathBuf,
    has_library: bool,
}

/// What the program said when it ran.
pub(crate) struct Told {
    pub(crate) points: Vec<Point>,
    pub(crate) map: ModuleMap,
}

/// An address, and the functions that stand there by the source.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) address: Addr,
    pub(crate) chain: Vec<Call>,
}

/// A function of a chain, innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// The files of a form.
pub(crate) const FILES: [&str; 2] = ["truth", "libtruth.so"];
const RUST: &str = "--edition 2024 -C opt-level=2 -C link-arg=-Wl,--build-id";

impl Form {
    /// Compiles the program with these flags, separated by blanks: for `rustc`, and for `g++`.
    #[track_caller]
    pub(crate) fn compile(name: &str, rust: &str, cpp: &str) -> Self {
        Self::program(name, rust, cpp).with_library(rust)
    }

    /// The program alone: one that is linked statically can load no library.
    #[track_caller]
    pub(crate) fn program(name: &str, rust: &str, cpp: &str) -> Self {
        let form = Self { directory: empty_directory(name), has_library: false };
        let source = source("cpp.cc");
        form.tool("g++", &format!("-O2 -fPIC {cpp} -c -o cpp.o {}", source.display()));
        form.rustc("program.rs", &format!("{rust} --crate-name truth -o truth"));
        form
    }

    /// The program and the library, compiled with these flags.
    #[track_caller]
    pub(crate) fn with_library(mut self, rust: &str) -> Self {
        let flags = format!("{rust} --crate-name truth_library --crate-type cdylib -o libtruth.so");
        self.rustc("library.rs", &flags);
        self.has_library = true;
        self
    }

    /// A copy of the form with all debug info, which is compiled once, to be made into another.
    #[track_caller]
    pub(crate) fn copy(name: &str) -> Self {
        static FULL: OnceLock<Form> = OnceLock::new();
        let full = FULL.get_or_init(|| Self::compile("full-to-copy", "-C debuginfo=2", "-g -gdwarf-4"));
        let form = Self { directory: empty_directory(name), has_library: true };
        for file in FILES {
            tool::copy(&full.directory.join(file), &form.directory.join(file));
        }
        form
    }

    /// Runs a tool once for each file of the form, which stands for `{}` in the arguments, in its directory.
    #[track_caller]
    pub(crate) fn each(&self, name: &str, arguments: &str) {
        for file in FILES {
            self.tool(name, &arguments.replace("{}", file));
        }
    }

    /// Runs a tool in the directory of the form.
    #[track_caller]
    pub(crate) fn tool(&self, name: &str, arguments: &str) -> String {
        tool::run_in(&self.directory, name, arguments)
    }

    /// The names of the sections of a file of the form.
    #[track_caller]
    pub(crate) fn sections(&self, file: &str) -> String {
        self.tool("readelf", &format!("-SW {file}"))
    }

    /// Runs the program.
    #[track_caller]
    pub(crate) fn run(&self) -> Told {
        let library = self.directory.join(FILES[1]);
        let argument = if self.has_library { library.to_str().expect("UTF-8") } else { "" };
        let program = self.directory.join(FILES[0]);
        let text = self.tool(program.to_str().expect("UTF-8"), argument);
        let points: Vec<Point> = text.lines().filter_map(Point::parse).collect();
        assert_eq!(points.len(), POINTS - if self.has_library { 0 } else { LIBRARY_POINTS });
        Told { points, map: ModuleMap::from_proc_maps(&text) }
    }

    #[track_caller]
    fn rustc(&self, main: &str, flags: &str) {
        let mut command = tool::rustc();
        command.args(format!("{RUST} {flags}").split_whitespace()).current_dir(&self.directory);
        if flags.contains(" -Z") {
            // Flags of a nightly compiler. Elsewhere it would change the defaults.
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        let object = format!("link-arg={}", self.directory.join("cpp.o").display());
        tool::run(command.arg("-C").arg(object).arg(source(main)));
    }
}

impl Told {
    /// What `symbolizer` makes of the points.
    pub(crate) fn resolve(&self, symbolizer: &Symbolizer) -> Resolved {
        let addresses: Vec<Addr> = self.points.iter().map(|point| point.address).collect();
        symbolizer.resolve(&self.map, &addresses)
    }

    /// How right `symbolizer` is.
    pub(crate) fn score(&self, symbolizer: &Symbolizer) -> Score {
        Score::of(&self.points, &self.resolve(symbolizer))
    }
}

impl Point {
    fn parse(line: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let address = value["address"].as_u64()?;
        let calls = value["chain"].as_array()?.iter().map(|call| {
            Some(Call {
                function: call[0].as_str()?.to_owned(),
                file: call[1].as_str()?.to_owned(),
                line: u32::try_from(call[2].as_u64()?).ok()?,
            })
        });
        Some(Self {
            name: value["point"].as_str()?.to_owned(),
            address: if value["kind"] == "pc" { Addr::Pc(address) } else { Addr::Return(address) },
            chain: calls.collect::<Option<_>>()?,
        })
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth").join(name)
}

fn empty_directory(name: &str) -> PathBuf {
    let directory = c::scratch("truth").join(name);
    // Left by an earlier run.
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory");
    directory
}
