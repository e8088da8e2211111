//! Plans of a program whose futures are known from its source, in the forms that debug info comes in: with its plan each
//! future of the running program is followed in its memory, down to where it waits. The source is in `tests/plan`.

mod chain;
mod damage;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flamewatch_symbolizer::ErrorKind;
use flamewatch_symbolizer::plan::Plan;

use crate::{c, tool};
use chain::Told;

const RUST: &str = "--edition 2024 -C link-arg=-Wl,--build-id";

/// The program in one of the forms that files come in, in a directory of its own.
struct Form {
    directory: PathBuf,
    program: PathBuf,
}

impl Form {
    /// Compiles it with these flags, separated by blanks.
    #[track_caller]
    fn compile(name: &str, flags: &str) -> Self {
        static TOKIO: OnceLock<PathBuf> = OnceLock::new();
        let tokio = TOKIO.get_or_init(|| {
            let directory = empty_directory("plan-tokio");
            rustc(&directory, "tokio.rs", "-C opt-level=2 --crate-name tokio --crate-type rlib", None);
            directory.join("libtokio.rlib")
        });
        let directory = empty_directory(&format!("plan-{name}"));
        rustc(&directory, "shop.rs", flags, Some(tokio));
        Self { program: directory.join("shop"), directory }
    }

    /// A copy of the one with all debug info, which is compiled once, to be made into another.
    #[track_caller]
    fn copy(name: &str) -> Self {
        static FULL: OnceLock<Form> = OnceLock::new();
        let full = FULL.get_or_init(|| Self::compile("full", "-C opt-level=2 -C debuginfo=2"));
        let directory = empty_directory(&format!("plan-{name}"));
        let program = directory.join("shop");
        tool::copy(&full.program, &program);
        Self { directory, program }
    }

    #[track_caller]
    fn tool(&self, name: &str, arguments: &str) -> String {
        tool::run_in(&self.directory, name, arguments)
    }

    #[track_caller]
    fn plan(&self) -> Plan {
        let plan = Plan::of(&self.program).expect("a plan");
        assert_eq!((plan.damaged, plan.missing_splits, plan.omitted), (0, 0, 0));
        let mut text = Vec::new();
        plan.write(&mut text).expect("into memory");
        let read = Plan::read(&*text).expect("a plan");
        assert_eq!(format!("{read:?}"), format!("{plan:?}"), "what is written is read");
        plan
    }
}

#[track_caller]
fn rustc(directory: &Path, source: &str, flags: &str, tokio: Option<&PathBuf>) {
    let mut command = tool::rustc();
    command.args(format!("{RUST} {flags}").split_whitespace()).current_dir(directory);
    if flags.contains("-Z") {
        // Flags of a nightly compiler. Elsewhere it would change the defaults.
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(tokio) = tokio {
        command.arg("--extern").arg(format!("tokio={}", tokio.display()));
    }
    tool::run(command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan").join(source)));
}

fn empty_directory(name: &str) -> PathBuf {
    let directory = c::scratch(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// Each future's chain, down to where it waits, with the line of each.
#[track_caller]
fn check_all(form: &Form) {
    let plan = form.plan();
    let told = Told::of(&form.program);
    let check = |name: &str, expected: &[(&str, &str)]| told.check(&plan, name, expected);
    let leaf = ("shop::Leaf", "");
    let inner = ("shop::inner::{async fn}", "leaf");
    let outer = ("shop::outer::{async fn}", "inner");
    check("leaf", &[leaf]);
    check("outer", &[outer, inner, leaf]);
    check(
        "boxed",
        &[
            ("shop::boxed::{async fn}", "box"),
            ("shop::boxed::{async fn}::{async block}", "in the box"),
            outer,
            inner,
            leaf,
        ],
    );
    check("borrowed", &[("shop::borrowed::{async fn}", "borrow"), outer, inner, leaf]);
    check("either", &[("shop::either::{async fn}", "either"), outer, inner, leaf]);
    check("both", &[("shop::both::{async fn}", "both"), outer, inner, leaf]);
    check("first", &[("shop::first::{async fn}", "first"), inner, leaf]);
    let place = ("shop::Shop::place::{async fn}", "method");
    check("method", &[("shop::method::{async fn}", "place"), place, inner, leaf]);
    let again = ("shop::recursive::{async block}", "again");
    check(
        "deep",
        &[("shop::deep::{async fn}", "deep"), again, again, ("shop::recursive::{async block}", "last"), leaf],
    );
    let extent = plan.extent();
    assert_eq!((extent.inside, extent.by_name, extent.blocking), (8, 1, 1));
}

#[test]
fn full() {
    check_all(&Form::copy("as-it-is"));
}

#[test]
fn of_dwarf_5_and_optimized_across_crates() {
    check_all(&Form::compile(
        "lto",
        "-C opt-level=3 -C debuginfo=2 -C dwarf-version=5 -C lto=fat -C codegen-units=1",
    ));
}

#[test]
fn of_dwarf_4_and_not_optimized() {
    check_all(&Form::compile("debug", "-C debuginfo=2 -C dwarf-version=4"));
}

#[test]
fn mangled_the_old_way() {
    let flags = "-C opt-level=2 -C debuginfo=2 -C symbol-mangling-version=legacy -Zunstable-options";
    check_all(&Form::compile("legacy", flags));
}

#[test]
fn in_objects_and_in_packages() {
    let split = "-C opt-level=2 -C debuginfo=2 -C split-debuginfo";
    let form = Form::compile("unpacked", &format!("{split}=unpacked -C dwarf-version=4"));
    check_all(&form);
    form.tool("find", ". -name *.dwo -delete");
    check_refused(&form, "a part of the debug info is in .dwo or .dwp files that are not there");

    let form =
        Form::compile("packed", &format!("{split}=packed -C dwarf-version=5 -C symbol-mangling-version=v0"));
    check_all(&form);
    form.tool("rm", "shop.dwp");
    form.tool("find", ". -name *.dwo -delete");
    // What is not found is counted, and leaves the names of the symbols.
    let plan = Plan::of(&form.program).expect("a plan");
    assert!(plan.missing_splits > 0);
    assert_eq!(plan.extent().inside, 0);
    assert!(names(&plan).contains(&"shop::outer::{closure}"), "{:?}", names(&plan));
}

#[test]
fn compressed() {
    for how in ["zlib", "zstd"] {
        let form = Form::copy(how);
        form.tool("objcopy", &format!("--compress-debug-sections={how} shop"));
        check_all(&form);
    }
}

#[test]
fn in_a_file_of_its_own() {
    let form = Form::copy("debuglink");
    form.tool("objcopy", "--only-keep-debug shop shop.debug");
    form.tool("strip", "--strip-all shop");
    check_refused(
        &form,
        "the file is stripped, and its debug info is nowhere: make the plan before it is stripped",
    );
    form.tool("objcopy", "--add-gnu-debuglink=shop.debug shop");
    check_all(&form);
    // The same by its build id.
    let plan = form.plan();
    let place =
        crate::debug_dir::place_of(&form.directory.join("debug"), plan.file_name().trim_end_matches(".plan"));
    fs::rename(form.directory.join("shop.debug"), place).expect("moved");
    assert!(Plan::of(&form.program).is_err());
    let found = Plan::of_with(&form.program, &[form.directory.join("debug")]).expect("a plan");
    assert_eq!(format!("{found:?}"), format!("{plan:?}"));
}

#[test]
fn with_names_alone() {
    // Functions and lines, whichever way names are mangled.
    let limited = "-C opt-level=2 -C debuginfo=1 -C symbol-mangling-version=legacy -Zunstable-options";
    check_names(&Form::compile("limited", limited), "shop::outer::{async fn}");
    // Symbols, mangled the new way.
    let form = Form::compile("symbols", "-C opt-level=2 -C symbol-mangling-version=v0");
    form.tool("strip", "--strip-debug shop");
    check_names(&form, "shop::outer::{closure}");
    // Mangled the old way they say nothing.
    let form = Form::compile("nameless", "-C symbol-mangling-version=legacy -Zunstable-options");
    form.tool("strip", "--strip-debug shop");
    check_refused(
        &form,
        "the file has no debug info, and the names in its symbol table do not say what each task is: build it with debug = \
         2, or with -C symbol-mangling-version=v0 for the names of the tasks alone",
    );
}

#[track_caller]
fn check_names(form: &Form, outer: &str) {
    let plan = form.plan();
    let names = names(&plan);
    assert!(names.contains(&outer) && names.contains(&"shop::Leaf"), "{names:?}");
    let extent = plan.extent();
    assert_eq!((extent.inside, extent.by_name, extent.blocking), (0, 9, 1));
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.types.iter().map(|of| of.name.as_str()).collect()
}

#[track_caller]
fn check_refused(form: &Form, expected: &str) {
    let error = Plan::of(&form.program).expect_err("no plan");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, expected));
}
