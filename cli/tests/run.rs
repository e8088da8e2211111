//! Runs the program, and says where this test program is.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flamewatch_symbolizer::ModuleMap;
use flate2::read::GzDecoder;
use prost::Message as _;

use crate::proto;

/// What a run of the program has left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// `flamewatch symbolize ARGUMENTS`, with `input` on standard input.
pub(crate) fn symbolize(arguments: &[&str], input: &[u8]) -> Ran {
    flamewatch("symbolize", arguments, input)
}

/// `flamewatch COMMAND ARGUMENTS`, with `input` on standard input.
pub(crate) fn flamewatch(subcommand: &str, arguments: &[&str], input: &[u8]) -> Ran {
    flamewatch_with(subcommand, arguments, input, &[])
}

/// The same with these variables.
pub(crate) fn flamewatch_with(
    subcommand: &str,
    arguments: &[&str],
    input: &[u8],
    variables: &[(&str, &str)],
) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flamewatch"));
    command.arg(subcommand).args(arguments);
    command.env_remove("FLAMEWATCH_TOKEN").envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // It need not read all of it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("a thread");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    Ran { status: output.status.code().expect("no signal"), out: output.stdout, err }
}

impl Ran {
    /// The output as text, when all went well and nothing is lacking.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        assert_eq!((self.status, &*self.err), (0, ""));
        std::str::from_utf8(&self.out).expect("UTF-8")
    }

    /// The output as a profile.
    #[track_caller]
    pub(crate) fn profile(&self) -> proto::Profile {
        assert_eq!(self.status, 0, "{}", self.err);
        let mut bytes = Vec::new();
        GzDecoder::new(&*self.out).read_to_end(&mut bytes).expect("gzip");
        proto::Profile::decode(&*bytes).expect("a profile")
    }
}

/// An empty folder for the test called `name`.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// This program's own path.
pub(crate) fn own_path() -> String {
    std::env::current_exe().expect("a path").into_os_string().into_string().expect("UTF-8")
}

/// Where in this program's file `address` is.
pub(crate) fn own_offset(address: u64) -> u64 {
    let map = ModuleMap::current().expect("a map");
    let (_, segment) = map.lookup(address).expect("our own code");
    segment.offset_of(address)
}

/// The program that `source` in C is, with debug info.
pub(crate) fn compiled(folder: &Path, name: &str, source: &str, flags: &[&str]) -> String {
    let (code, program) = (folder.join(format!("{name}.c")), folder.join(name));
    fs::write(&code, source).expect("a file");
    let mut command = Command::new("cc");
    command.args(["-g", "-O1", "-no-pie", "-Wl,--build-id"]).args(flags).arg(&code).arg("-o").arg(&program);
    assert!(command.status().expect("a C compiler").success());
    program.into_os_string().into_string().expect("UTF-8")
}

/// The address of `symbol` in `program`, as its symbol table has it.
pub(crate) fn address_of(program: &str, symbol: &str) -> u64 {
    use object::{Object as _, ObjectSymbol as _};
    let bytes = fs::read(program).expect("a file");
    let file = object::File::parse(&*bytes).expect("an object file");
    file.symbol_by_name(symbol).expect("the symbol").address()
}

/// The build id of `program`.
pub(crate) fn build_id(program: &str) -> String {
    use object::Object as _;
    let bytes = fs::read(program).expect("a file");
    let file = object::File::parse(&*bytes).expect("an object file");
    let build_id = file.build_id().expect("notes").expect("a build id");
    build_id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a tool of the C compiler's.
pub(crate) fn tool(name: &str, arguments: &[&str]) {
    assert!(Command::new(name).args(arguments).status().expect("binutils").success(), "{name} {arguments:?}");
}
