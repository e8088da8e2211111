//! A test that runs once more in a child, where its own executable, its rights or its file system can be taken away.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamewatch_symbolizer::{Addr, Frame, ModuleMap, Reason, Symbolizer};

use crate::{c, sys, tool};

const CHILD: &str = "FLAMEWATCH_TEST_CHILD";

/// True in the child that was started for `test`.
pub(crate) fn is_for(test: &str) -> bool {
    std::env::var_os(CHILD).is_some_and(|name| name == test)
}

/// A copy of this test program, to run one test of it.
pub(crate) struct Copy {
    pub(crate) program: PathBuf,
    test: String,
}

impl Copy {
    /// A copy for `test` (its path within this program) in cargo's directory for such things.
    #[track_caller]
    pub(crate) fn of_this_program(test: &str) -> Self {
        Self::at(c::scratch(&test.replace("::", "-")), test)
    }

    /// A copy where every user can reach it.
    #[track_caller]
    pub(crate) fn for_everybody(test: &str) -> Self {
        let name = format!("flamewatch-{}-{}", std::process::id(), test.replace("::", "-"));
        Self::at(std::env::temp_dir().join(name), test)
    }

    #[track_caller]
    fn at(program: PathBuf, test: &str) -> Self {
        tool::copy(&std::env::current_exe().expect("a path"), &program);
        let copy = Self { program, test: test.to_owned() };
        copy.allow(0o755);
        copy
    }

    /// Sets who may read and run it.
    pub(crate) fn allow(&self, mode: u32) {
        std::fs::set_permissions(&self.program, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }

    /// The command that runs the test in the copy.
    pub(crate) fn command(&self) -> Command {
        self.marked(Command::new(&self.program))
    }

    /// The command that runs the test in the copy after `preparations`, a shell script, in a file system of its own
    /// in which it is root.
    pub(crate) fn command_in_namespace(&self, preparations: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec"]);
        command.arg(format!("{preparations}\nexec \"$0\" \"$@\"")).arg(&self.program);
        self.marked(command)
    }

    fn marked(&self, mut command: Command) -> Command {
        command.args(["--exact", &self.test, "--nocapture"]).env(CHILD, &self.test);
        command
    }

    /// Runs `command`, in which the test must run and hold.
    #[track_caller]
    pub(crate) fn check(&self, command: &mut Command) {
        let output = tool::output(command);
        let text = String::from_utf8_lossy(&output.stdout);
        let held = output.status.success() && text.contains("1 passed");
        assert!(held, "{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.program);
    }
}

/// True where this user may have a file system of its own.
pub(crate) fn can_have_namespaces() -> bool {
    tool::output(Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]))
        .status
        .success()
}

#[inline(always)]
fn inner() -> (Vec<u64>, u32) {
    (sys::return_addresses(), line!())
}

/// A return address in this program where `inner` is inlined into `outer`, and their lines.
#[inline(never)]
pub(crate) fn outer() -> (Addr, [u32; 2]) {
    let (stack, line) = inner();
    (Addr::Return(stack[0]), [line, line!() - 1])
}

/// This program's own names, lines and inlined functions are all there, by the map that is taken now.
#[track_caller]
pub(crate) fn check_own_chain() {
    check_chain(&ModuleMap::current().expect("a map"), outer());
}

#[track_caller]
pub(crate) fn check_chain(map: &ModuleMap, (address, [inner, outer]): (Addr, [u32; 2])) {
    let (frames, reason) = frames(map, address);
    let [first, second] = &frames[..] else { panic!("{frames:?} because of {reason:?}") };
    assert!(first.name.ends_with("child::inner") && second.name.ends_with("child::outer"), "{frames:?}");
    assert_eq!((first.line, second.line, reason), (inner, outer, None));
    assert!(frames.iter().all(|frame| frame.file.ends_with("tests/it/child.rs")), "{frames:?}");
}

/// What stands at `address`, and what the report says of its module.
pub(crate) fn frames(map: &ModuleMap, address: Addr) -> (Vec<Frame>, Option<Reason>) {
    let resolved = Symbolizer::default().resolve(map, &[address]);
    (resolved.frames(0).to_vec(), resolved.report().modules[0].reason)
}

/// The one frame at `address`.
#[track_caller]
pub(crate) fn frame(map: &ModuleMap, address: u64) -> (Frame, Option<Reason>) {
    let (frames, reason) = frames(map, Addr::Pc(address));
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    (frame.clone(), reason)
}

/// The frame at `address` is not named, neither right nor wrong, but placed in `module`.
#[track_caller]
pub(crate) fn check_placed(map: &ModuleMap, address: u64, module: &Path) {
    let name = module.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let (frame, reason) = frame(map, address);
    assert!(frame.name.starts_with(&format!("{name}+0x")), "{frame:?}");
    assert!(!frame.is_named() && reason.is_some(), "{frame:?} because of {reason:?}");
}
