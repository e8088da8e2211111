//! The debug port as a file: a unix socket that its owner alone may open, put there so that nothing else is harmed, and
//! taken away at the end.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::sys;

/// Who may open it: the user that the service runs as, and root.
const MODE: u32 = 0o600;

/// How many may wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;

/// How long another process may take to put a socket into the same folder: 100 times 10 ms.
const TURNS: u32 = 100;
const TURN: Duration = Duration::from_millis(10);

/// The socket, bound and listening.
#[derive(Debug)]
pub(crate) struct Local {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

/// The file of a socket of ours. It goes with us, unless somebody has put another in its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Local {
    /// Listens at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When somebody listens there, or there is something that is no socket, or no socket can be put there.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let address = SockAddr::unix(path)
            .map_err(|_| io::Error::other("the path of a socket has at most 107 bytes"))?;
        // Of two that start at once, neither is to take the other's for a dead one's.
        let _turn = turn_in(path.parent());
        make_room(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&address)?;
        let file = SocketFile::at(path)?;
        // Nobody can connect before it listens, so there is no moment in which others could.
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { listener: socket.into(), file })
    }
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// The lock of the folder, held by what is returned. Where it cannot be had we go on without.
fn turn_in(folder: Option<&Path>) -> Option<File> {
    let folder = File::open(folder?).ok()?;
    for _ in 0..TURNS {
        if sys::lock::try_lock(&folder).ok()? {
            return Some(folder);
        }
        thread::sleep(TURN);
    }
    None
}

/// Removes what a dead process has left, and nothing else.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is no socket, and is left alone"))
        }
        Ok(_) if is_dead(path)? => {
            tracing::info!("flamewatch: replaces the socket of a dead process at {}", path.display());
            fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// Whether nobody listens. One who listens and has no room is not waited for.
fn is_dead(path: &Path) -> io::Result<bool> {
    let knock = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    knock.set_nonblocking(true)?;
    match knock.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("flamewatch-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn it_is_its_owners_alone_and_goes_with_him() {
        let path = folder("local").join("debug.sock");
        let local = Local::bind(&path).expect("a socket");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, MODE);
        UnixStream::connect(&path).expect("somebody listens");
        drop(local);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_ones_is_replaced_and_a_living_ones_is_not() {
        let path = folder("dead").join("debug.sock");
        drop(UnixListener::bind(&path).expect("a socket that is left"));
        assert!(path.exists());
        let living = Local::bind(&path).expect("replaced");
        let error = Local::bind(&path).expect_err("in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        // Its backlog is full: that is not dead either.
        let crowd: Vec<_> = (0..=BACKLOG)
            .map(|_| {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("a flag");
                let _ = socket.connect(&SockAddr::unix(&path).expect("a path"));
                socket
            })
            .collect();
        assert!(!is_dead(&path).expect("an answer"));
        drop((crowd, living));
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = folder("file");
        let (file, link) = (folder.join("notes"), folder.join("link"));
        fs::write(&file, "dear diary").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        for path in [&file, &link, &folder] {
            let error = Local::bind(path).expect_err("refused");
            assert!(error.to_string().contains("no socket, and is left alone"), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).expect("still there"), "dear diary");
        let long = Local::bind(&folder.join("x".repeat(120))).expect_err("refused").to_string();
        assert!(long.contains("at most 107 bytes"), "{long}");
    }

    #[test]
    fn anothers_in_its_place_is_not_taken_away() {
        let path = folder("other").join("debug.sock");
        let ours = Local::bind(&path).expect("a socket");
        fs::remove_file(&path).expect("somebody takes it away");
        let theirs = UnixListener::bind(&path).expect("and puts another there");
        drop(ours);
        assert!(path.exists());
        drop(theirs);
    }

    #[test]
    fn of_many_that_start_at_once_one_listens() {
        let path = folder("race").join("debug.sock");
        drop(UnixListener::bind(&path).expect("a socket that is left"));
        let bound: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| Local::bind(&path).ok())).collect();
            starts.into_iter().filter_map(|start| start.join().expect("no panic")).collect()
        });
        assert_eq!(bound.len(), 1);
        UnixStream::connect(&path).expect("it can be reached");
    }
}
