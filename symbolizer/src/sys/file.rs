//! Reading a file at a place, without moving anybody's position in it.

use std::fs::File;
use std::io;

/// Fills `room` from `offset`; says how much of it.
pub(crate) fn read_at(file: &File, offset: u64, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match std::os::unix::fs::FileExt::read_at(file, room, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
