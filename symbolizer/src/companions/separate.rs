//! Where the debug info that is not in the binary itself may lie: the places GDB's manual names in "Debugging
//! Information in Separate Files", and those of split DWARF.
//! Only paths, in the order they should be tried. Whether there is a file and whether it belongs to the binary is
//! for the caller to find out: the names come from files that anybody may have written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::file::elf::hex;

/// Where distributions put debug files.
pub(crate) const DEFAULT_DIRECTORY: &str = "/usr/lib/debug";

/// A binary whose debug info is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Its path, as the process saw it.
    pub(crate) path: &'a Path,
    /// Its path without symbolic links; the same as `path` when that is not known.
    pub(crate) canonical: &'a Path,
}

/// The global directories for debug files.
#[derive(Clone, Debug)]
pub(crate) struct Directories(Vec<PathBuf>);

impl Directories {
    /// The `configured` directories, then [`DEFAULT_DIRECTORY`].
    pub(crate) fn new(configured: impl IntoIterator<Item = PathBuf>) -> Self {
        let default = [PathBuf::from(DEFAULT_DIRECTORY)];
        Self(distinct(configured.into_iter().chain(default)))
    }

    /// The debug file of the binary with this build id. Empty for an id that is too short to be one.
    pub(crate) fn by_build_id(&self, build_id: &[u8]) -> Vec<PathBuf> {
        self.of_build(build_id, "debug")
    }

    /// The index of `binary`, which has this build id.
    pub(crate) fn indexes(&self, binary: Origin<'_>, build_id: &[u8]) -> Vec<PathBuf> {
        let near = [binary.path, binary.canonical].into_iter().map(|path| with_suffix(path, ".fwi"));
        distinct(near.chain(self.of_build(build_id, "fwi")))
    }

    fn of_build(&self, build_id: &[u8], kind: &str) -> Vec<PathBuf> {
        let Some((first, rest @ [_, ..])) = build_id.split_first() else { return Vec::new() };
        let name = format!(".build-id/{}/{}.{kind}", hex(&[*first]), hex(rest));
        self.0.iter().map(|directory| directory.join(&name)).collect()
    }

    /// The debug file that the `.gnu_debuglink` of `binary` calls `name`.
    pub(crate) fn by_link(&self, binary: Origin<'_>, name: &[u8]) -> Vec<PathBuf> {
        // The section holds a name without directories.
        let Some(name) = path(name).filter(|name| !name.as_os_str().as_bytes().contains(&b'/')) else {
            return Vec::new();
        };
        let candidates = binary.directories().flat_map(|beside| {
            let global = self.0.iter().map(move |global| below(global, beside).join(name));
            [beside.join(name), beside.join(".debug").join(name)].into_iter().chain(global)
        });
        distinct(candidates.filter(|candidate| candidate != binary.path && candidate != binary.canonical))
    }

    /// The file of what dwz found in several binaries, which the `.gnu_debugaltlink` of `debug_file` calls `name`.
    pub(crate) fn shared(&self, debug_file: &Path, name: &[u8], build_id: &[u8]) -> Vec<PathBuf> {
        let named = path(name).into_iter().flat_map(|name| {
            let moved = name.strip_prefix(DEFAULT_DIRECTORY).ok();
            let moved = moved.into_iter().flat_map(|rest| self.0.iter().map(move |global| global.join(rest)));
            [beside(debug_file).join(name)].into_iter().chain(moved)
        });
        distinct(named.chain(self.by_build_id(build_id)))
    }

    /// The DWARF packages (`.dwp`) of `binary`, and of its debug file where it has one.
    pub(crate) fn packages(&self, binary: Origin<'_>, debug_file: Option<&Path>) -> Vec<PathBuf> {
        let near = [Some(binary.path), Some(binary.canonical), debug_file].into_iter().flatten().map(package);
        let global = binary.canonical.file_name().into_iter().flat_map(|name| {
            let name = package(Path::new(name));
            self.0.iter().map(move |global| global.join(&name))
        });
        distinct(near.chain(global))
    }
}

/// The `.dwo` of a unit of `binary`: where the compiler put it, or else beside the binary.
pub(crate) fn split_unit(binary: Origin<'_>, compiled_in: &[u8], name: &[u8]) -> Vec<PathBuf> {
    let Some(name) = path(name) else { return Vec::new() };
    // A build that hides its directory calls it ".": then the binary's own is the best guess. Without any as well.
    let compiled_in = path(compiled_in).unwrap_or(Path::new(""));
    let candidates = binary.directories().flat_map(|beside| {
        let alone = name.file_name().map(|file_name| beside.join(file_name));
        [beside.join(compiled_in).join(name)].into_iter().chain(alone)
    });
    distinct(candidates)
}

impl<'a> Origin<'a> {
    /// The directories it lies in.
    fn directories(self) -> impl Iterator<Item = &'a Path> {
        [self.path, self.canonical].into_iter().map(beside)
    }
}

fn beside(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The directory below `global` that stands for the absolute `directory`.
fn below(global: &Path, directory: &Path) -> PathBuf {
    global.join(directory.strip_prefix("/").unwrap_or(directory))
}

fn package(file: &Path) -> PathBuf {
    with_suffix(file, ".dwp")
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `None` for what cannot be a path.
fn path(bytes: &[u8]) -> Option<&Path> {
    let possible = !bytes.is_empty() && !bytes.contains(&0);
    possible.then(|| Path::new(OsStr::from_bytes(bytes)))
}

/// The paths without repetitions; there are a dozen at most, so comparing each with each will do.
fn distinct(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut distinct = Vec::new();
    for path in paths {
        if !distinct.contains(&path) {
            distinct.push(path);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_example_by_build_id() {
        check(
            default().by_build_id(&[0xab, 0xcd, 0xef, 0x12, 0x34]),
            &["/usr/lib/debug/.build-id/ab/cdef1234.debug"],
        );
        check(
            configured().by_build_id(&[0x00, 0x0f]),
            &["/opt/debug/.build-id/00/0f.debug", "/usr/lib/debug/.build-id/00/0f.debug"],
        );
    }

    #[test]
    fn a_build_id_needs_two_bytes() {
        check(default().by_build_id(&[]), &[]);
        check(default().by_build_id(&[0xab]), &[]);
    }

    #[test]
    fn the_manuals_example_by_link() {
        check(
            default().by_link(ls(), b"ls.debug"),
            &["/usr/bin/ls.debug", "/usr/bin/.debug/ls.debug", "/usr/lib/debug/usr/bin/ls.debug"],
        );
    }

    #[test]
    fn a_linked_binary_is_looked_for_in_both_places() {
        check(
            configured().by_link(linked(), b"shop.debug"),
            &[
                "/bin/shop.debug",
                "/bin/.debug/shop.debug",
                "/opt/debug/bin/shop.debug",
                "/usr/lib/debug/bin/shop.debug",
                "/srv/shop-7/bin/shop.debug",
                "/srv/shop-7/bin/.debug/shop.debug",
                "/opt/debug/srv/shop-7/bin/shop.debug",
                "/usr/lib/debug/srv/shop-7/bin/shop.debug",
            ],
        );
    }

    #[test]
    fn a_binary_is_not_its_own_debug_file() {
        check(default().by_link(ls(), b"ls"), &["/usr/bin/.debug/ls", "/usr/lib/debug/usr/bin/ls"]);
    }

    #[test]
    fn what_is_no_name_leads_nowhere() {
        for name in [&b""[..], b"a\0b", b"/etc/passwd", b"sub/ls.debug"] {
            check(default().by_link(ls(), name), &[]);
        }
        check(split_unit(ls(), b"/src", b""), &[]);
        check(split_unit(ls(), b"/src", b"a\0.dwo"), &[]);
        check(default().shared(Path::new("/usr/bin/ls"), b"a\0b", &[]), &[]);
    }

    #[test]
    fn a_name_need_not_be_text() {
        let found = default().by_link(ls(), b"\xff.debug");
        assert_eq!(found[0].as_os_str().as_bytes(), b"/usr/bin/\xff.debug");
    }

    #[test]
    fn what_dwz_shared_is_found_by_path_and_by_build_id() {
        let debug_file = Path::new("/usr/lib/debug/usr/bin/ls.debug");
        check(
            default().shared(debug_file, b"../../.dwz/coreutils", &[0xab, 0xcd]),
            &["/usr/lib/debug/usr/bin/../../.dwz/coreutils", "/usr/lib/debug/.build-id/ab/cd.debug"],
        );
        check(
            configured().shared(debug_file, b"/usr/lib/debug/.dwz/coreutils", &[0xab, 0xcd]),
            &[
                "/usr/lib/debug/.dwz/coreutils",
                "/opt/debug/.dwz/coreutils",
                "/opt/debug/.build-id/ab/cd.debug",
                "/usr/lib/debug/.build-id/ab/cd.debug",
            ],
        );
        check(default().shared(debug_file, b"/elsewhere/common", &[]), &["/elsewhere/common"]);
    }

    #[test]
    fn packages_bear_the_binarys_name() {
        check(
            default().packages(linked(), Some(Path::new("/usr/lib/debug/bin/shop.debug"))),
            &[
                "/bin/shop.dwp",
                "/srv/shop-7/bin/shop.dwp",
                "/usr/lib/debug/bin/shop.debug.dwp",
                "/usr/lib/debug/shop.dwp",
            ],
        );
        check(default().packages(ls(), None), &["/usr/bin/ls.dwp", "/usr/lib/debug/ls.dwp"]);
    }

    #[test]
    fn split_units_lie_where_they_were_compiled_or_beside_the_binary() {
        check(split_unit(ls(), b"/src/core", b"obj/ls.dwo"), &["/src/core/obj/ls.dwo", "/usr/bin/ls.dwo"]);
        check(split_unit(ls(), b"/src", b"/obj/ls.dwo"), &["/obj/ls.dwo", "/usr/bin/ls.dwo"]);
        check(split_unit(ls(), b".", b"obj/ls.dwo"), &["/usr/bin/./obj/ls.dwo", "/usr/bin/ls.dwo"]);
        check(split_unit(ls(), b"", b"ls.dwo"), &["/usr/bin/ls.dwo"]);
    }

    #[test]
    fn a_directory_is_asked_once() {
        let twice = Directories::new([PathBuf::from(DEFAULT_DIRECTORY), PathBuf::from("/opt/debug")]);
        check(
            twice.by_build_id(&[1, 2]),
            &["/usr/lib/debug/.build-id/01/02.debug", "/opt/debug/.build-id/01/02.debug"],
        );
    }

    fn ls() -> Origin<'static> {
        Origin { path: Path::new("/usr/bin/ls"), canonical: Path::new("/usr/bin/ls") }
    }

    fn linked() -> Origin<'static> {
        Origin { path: Path::new("/bin/shop"), canonical: Path::new("/srv/shop-7/bin/shop") }
    }

    fn default() -> Directories {
        Directories::new([])
    }

    fn configured() -> Directories {
        Directories::new([PathBuf::from("/opt/debug")])
    }

    #[track_caller]
    fn check(found: Vec<PathBuf>, expected: &[&str]) {
        // As text: two paths are equal also when one has a "." more.
        let found: Vec<_> = found.iter().map(|path| path.to_str().expect("UTF-8")).collect();
        assert_eq!(found, expected);
    }
}
