//! The checksum by which a `.gnu_debuglink` knows its file: needed where the file carries no build id.

use std::io::{self, Read};

/// How many bytes are read at a time.
const CHUNK: usize = 64 << 10;

/// The CRC-32 (zlib's polynomial) of all that `file` gives, as `.gnu_debuglink` counts it.
pub(crate) fn crc32(file: &mut impl Read) -> io::Result<u32> {
    let mut chunk = vec![0; CHUNK];
    let mut sum = crc32fast::Hasher::new();
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(sum.finalize()),
            Ok(count) => sum.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::counting;

    #[test]
    fn the_check_values_of_the_polynomial() {
        for (bytes, expected) in
            [(&b""[..], 0), (b"123456789", 0xcbf4_3926), (b"a", 0xe8b7_be43), (&[0; 32], 0x190a_55ad)]
        {
            assert_eq!(crc32(&mut &bytes[..]).expect("a sum"), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_large_file_takes_one_chunk() {
        let (sum, peak) = counting::peak(|| crc32(&mut io::repeat(b'x').take(10_000_019)));
        let mut whole = crc32fast::Hasher::new();
        whole.update(&vec![b'x'; 10_000_019]);
        assert_eq!(sum.expect("a sum"), whole.finalize());
        assert!(peak < CHUNK + 1_024, "{peak} bytes");
    }

    #[test]
    fn an_error_is_passed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        assert_eq!(crc32(&mut Broken).expect_err("broken").kind(), io::ErrorKind::Other);
    }
}
