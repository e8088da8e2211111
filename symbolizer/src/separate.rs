//! Where the files may lie that hold a program's debug info apart from it, in the order in which they are looked at.
//! Pure: what of it exists, and is the right file, is for the caller to find out.
//!
//! The places are those of GDB ("Debugging Information in Separate Files"), and of the DWARF 5 standard (section
//! 7.3.2) for split units.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use crc32fast::Hasher;

use crate::bytes::Bytes;

/// How much of a file is looked at at a time for its checksum.
const STEP: usize = 64 << 10;

/// Debug files with a build id, in each of `dirs`.
pub(crate) fn by_build_id(dirs: &[PathBuf], build_id: &[u8]) -> Vec<PathBuf> {
    let Some((first, rest)) = build_id.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Vec::new();
    };
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!(".build-id/{first:02x}/{rest}.debug");
    dirs.iter().map(|dir| dir.join(&name)).collect()
}

/// The debug file that `binary` names in its `.gnu_debuglink`.
pub(crate) fn by_link(dirs: &[PathBuf], binary: &Path, name: &OsStr) -> Vec<PathBuf> {
    if name.is_empty() || Path::new(name).components().count() != 1 {
        return Vec::new();
    }
    let home = binary.parent().unwrap_or(Path::new(""));
    let inside: PathBuf = home.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let beside = [home.join(name), home.join(".debug").join(name)];
    beside.into_iter().chain(dirs.iter().map(|dir| dir.join(&inside).join(name))).collect()
}

/// The file that `debug_file` shares with others, by what it says in its `.gnu_debugaltlink`.
pub(crate) fn shared(dirs: &[PathBuf], debug_file: &Path, name: &OsStr, build_id: &[u8]) -> Vec<PathBuf> {
    let home = debug_file.parent().unwrap_or(Path::new(""));
    let named = Some(home.join(name)).filter(|_| !name.is_empty());
    named.into_iter().chain(by_build_id(dirs, build_id)).collect()
}

/// The packages of split units that may belong to `binary`.
pub(crate) fn packages(binary: &Path) -> Vec<PathBuf> {
    let mut appended = binary.as_os_str().to_owned();
    appended.push(".dwp");
    let replaced = binary.with_extension("dwp");
    let appended = PathBuf::from(appended);
    if replaced == appended { vec![appended] } else { vec![appended, replaced] }
}

/// The file with a split unit: where the compiler put it, or carried along beside the program or its debug files.
pub(crate) fn split(dirs: &[PathBuf], binary: &Path, directory: Option<&str>, file: &str) -> Vec<PathBuf> {
    let home = binary.parent().unwrap_or(Path::new(""));
    let Some(name) = Path::new(file).file_name() else { return Vec::new() };
    let compiled = Path::new(directory.unwrap_or("")).join(file);
    let carried = [home.join(file), home.join(name)];
    [compiled].into_iter().chain(carried).chain(dirs.iter().map(|dir| dir.join(name))).collect()
}

/// The checksum that a `.gnu_debuglink` holds of the file it names: CRC-32 as in zlib.
pub(crate) fn checksum(bytes: &Bytes) -> io::Result<u32> {
    let (mut sum, mut room, mut at) = (Hasher::new(), vec![0; STEP], 0);
    loop {
        let read = bytes.read_at(at, &mut room)?;
        if read == 0 {
            return Ok(sum.finalize());
        }
        sum.update(room.get(..read).unwrap_or_default());
        at += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: Vec<PathBuf>, expected: &[&str]) {
        assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
    }

    fn dirs() -> [PathBuf; 2] {
        ["/debug".into(), "/usr/lib/debug".into()]
    }

    #[test]
    fn by_build_id_in_each_directory() {
        check(
            by_build_id(&dirs(), &[0xab, 0x0c, 0xde]),
            &["/debug/.build-id/ab/0cde.debug", "/usr/lib/debug/.build-id/ab/0cde.debug"],
        );
        check(by_build_id(&dirs(), &[]), &[]);
        check(by_build_id(&dirs(), &[0xab]), &[]);
    }

    #[test]
    fn by_link_beside_the_program_first() {
        check(
            by_link(&dirs(), Path::new("/srv/bin/shop"), OsStr::new("shop.debug")),
            &[
                "/srv/bin/shop.debug",
                "/srv/bin/.debug/shop.debug",
                "/debug/srv/bin/shop.debug",
                "/usr/lib/debug/srv/bin/shop.debug",
            ],
        );
        check(by_link(&dirs(), Path::new("/srv/bin/shop"), OsStr::new("../../etc/shadow")), &[]);
        check(by_link(&dirs(), Path::new("/srv/bin/shop"), OsStr::new("")), &[]);
    }

    #[test]
    fn shared_files_are_named_from_the_debug_file() {
        let id = [0x12, 0x34];
        let from = Path::new("/usr/lib/debug/shop.debug");
        check(
            shared(&dirs()[..1], from, OsStr::new("/x/alt"), &id),
            &["/x/alt", "/debug/.build-id/12/34.debug"],
        );
        check(shared(&[], from, OsStr::new("alt"), &id), &["/usr/lib/debug/alt"]);
    }

    #[test]
    fn split_units_and_packages() {
        check(packages(Path::new("/srv/shop")), &["/srv/shop.dwp"]);
        check(packages(Path::new("/srv/libshop.so")), &["/srv/libshop.so.dwp", "/srv/libshop.dwp"]);
        check(
            split(&dirs()[..1], Path::new("/srv/shop"), Some("/build"), "target/a.dwo"),
            &["/build/target/a.dwo", "/srv/target/a.dwo", "/srv/a.dwo", "/debug/a.dwo"],
        );
    }

    #[test]
    fn the_checksum_is_zlibs() {
        assert_eq!(checksum(&Bytes::Memory(b"123456789".to_vec())).expect("memory"), 0xcbf4_3926);
    }
}
