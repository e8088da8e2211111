//! A small library of four units, in the forms whose files are damaged: its own, and those that stand apart.

use std::path::{Path, PathBuf};
use std::process::Command;

use flamewatch_symbolizer::{Addr, Frame, ModuleMap, Resolved, Symbolizer};

use super::mutant::Elf;
use crate::debug_dir::{place_of, with_debug_dir};
use crate::{c, tool};

/// The namespaces of the units.
pub(crate) const UNITS: [&str; 4] = ["unit_a", "unit_b", "unit_c", "unit_d"];
/// Where the code of the library is said to be mapped.
const BASE: u64 = 0x1000_0000;

/// A library, the file that is damaged, and what the library's addresses are when it is not.
pub(crate) struct Victim {
    pub(crate) name: &'static str,
    pub(crate) whole: Elf,
    pub(crate) right: Vec<Vec<Frame>>,
    damaged: PathBuf,
    map: ModuleMap,
    addresses: Vec<Addr>,
    symbolizer: Symbolizer,
}

impl Victim {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let all = [
            Self::alone("dwarf-4", "-gdwarf-4", ""),
            Self::alone("dwarf-5", "-gdwarf-5", ""),
            Self::alone("compressed", "-gdwarf-5", "zlib"),
            Self::alone("compressed-zstd", "-gdwarf-4", "zstd"),
            Self::with_debug_file(),
            Self::with_object(),
            Self::with_shared_part(),
        ];
        all.into()
    }

    /// The library with its debug info.
    pub(crate) fn alone(name: &'static str, debug: &str, compression: &str) -> Self {
        let directory = compile(name, debug);
        if !compression.is_empty() {
            let arguments = format!("--compress-debug-sections={compression} units.so");
            tool::run_in(&directory, "objcopy", &arguments);
        }
        let library = directory.join("units.so");
        Self::new(name, &library, library.clone(), Symbolizer::builder().cache_budget(0).build())
    }

    fn with_debug_file() -> Self {
        let directory = compile("debug-file", "-gdwarf-4");
        let notes = tool::run_in(&directory, "readelf", "-n units.so");
        let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).expect("a build id");
        let place = place_of(&directory, id);
        tool::run(
            Command::new("objcopy").arg("--only-keep-debug").arg(directory.join("units.so")).arg(&place),
        );
        tool::run_in(&directory, "strip", "--strip-all units.so");
        Self::new("debug-file", &directory.join("units.so"), place, with_debug_dir(&directory))
    }

    fn with_object() -> Self {
        let directory = compile("object", "-gdwarf-5 -gsplit-dwarf");
        Self::new(
            "object",
            &directory.join("units.so"),
            directory.join("unit_b.dwo"),
            Symbolizer::builder().cache_budget(0).build(),
        )
    }

    fn with_shared_part() -> Self {
        let directory = compile("shared-part", "-gdwarf-4");
        tool::run_in(&directory, "cp", "units.so same.so");
        tool::run_in(&directory, "dwz", "-m units.alt -M units.alt units.so same.so");
        let (library, alt) = (directory.join("units.so"), directory.join("units.alt"));
        Self::new("shared-part", &library, alt, Symbolizer::builder().cache_budget(0).build())
    }

    fn new(name: &'static str, library: &Path, damaged: PathBuf, symbolizer: Symbolizer) -> Self {
        let elf = Elf::parse(std::fs::read(library).expect("a library"));
        let text = elf.section(".text");
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(library).expect("there"));
        let start = text.start as u64 & !0xfff;
        let map =
            format!("{BASE:x}-{:x} r-xp {start:08x} 00:00 {inode} {}", BASE + 0x10000, library.display());
        let map = ModuleMap::from_proc_maps(&map);
        let code = text.step_by(4).map(|offset| Addr::Pc(BASE + offset as u64 - start));
        let mut victim = Self {
            name,
            whole: Elf::parse(std::fs::read(&damaged).expect("a file")),
            right: Vec::new(),
            damaged,
            map,
            addresses: code.collect(),
            symbolizer,
        };
        victim.right = victim.resolve().iter().map(<[Frame]>::to_vec).collect();
        victim
    }

    /// What becomes of the addresses when the damaged file has these `bytes`.
    pub(crate) fn resolve_with(&self, bytes: &[u8]) -> Resolved {
        std::fs::write(&self.damaged, bytes).expect("written");
        self.resolve()
    }

    fn resolve(&self) -> Resolved {
        self.symbolizer.resolve(&self.map, &self.addresses)
    }

    /// How many of the addresses outside of `unit` there are, and how many have the right answer.
    pub(crate) fn right_outside(&self, unit: &str, resolved: &Resolved) -> (usize, usize) {
        let answers = self.right.iter().zip(resolved.iter());
        let outside = answers.filter(|(right, _)| {
            right.last().is_some_and(|frame| frame.is_named() && !frame.name.contains(&format!("{unit}::")))
        });
        outside.fold((0, 0), |(all, right), (expected, found)| {
            (all + 1, right + usize::from(found == expected.as_slice()))
        })
    }
}

/// Compiles `units.so` and its objects into a directory called `name`.
fn compile(name: &str, debug: &str) -> PathBuf {
    let directory = c::scratch("corruption").join(name);
    // Left by an earlier run.
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corruption/unit.cc");
    for unit in UNITS {
        let flags = format!("-O1 {debug} -fPIC -DUNIT={unit} -c -o {unit}.o {}", source.display());
        tool::run_in(&directory, "g++", &flags);
    }
    let objects = UNITS.map(|unit| format!("{unit}.o")).join(" ");
    tool::run_in(&directory, "g++", &format!("-shared -nostdlib -Wl,--build-id -o units.so {objects}"));
    directory
}
