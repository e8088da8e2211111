//! MiniDebugInfo: the `.gnu_debugdata` of a stripped binary is an ELF file, packed by xz, with only a symbol table.
//! Fedora and its family ship every library with one. Unpacked as a stream; what stands in it is for others to read.

use std::io::{self, BufReader, Read, Write};

use lzma_rust2::XzReader;

use crate::file::inflate::Failure;

/// The most that is unpacked by default: the symbols of a million functions whose names have 40 bytes.
pub(crate) const DEFAULT_BYTES: u64 = 64 << 20;

/// The most memory the decoder may ask for, in KiB: the dictionary of 8 MiB of xz's default preset, which rpm uses,
/// and what it keeps beside it.
const DECODER_KIB: u32 = 9 << 10;

/// How many bytes are read and written at a time.
const CHUNK: usize = 64 << 10;

/// Writes to `sink` what `packed` holds, at most `most` bytes, and returns how many they were. The heap holds two
/// buffers of 64 KiB and the decoder: 12.2 MiB in all with the largest dictionary, less for a small symbol table.
pub(crate) fn unpack(packed: impl Read, sink: &mut impl Write, most: u64) -> Result<u64, Failure> {
    // Without further streams behind the first: rpm writes one, and each could ask for work without any output.
    let mut stream = XzReader::new_mem_limit(BufReader::with_capacity(CHUNK, packed), false, DECODER_KIB);
    let mut chunk = vec![0; CHUNK];
    let mut total = 0_u64;
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                total = total.saturating_add(count as u64);
                if total > most {
                    return Err(Failure::OverBudget);
                }
                sink.write_all(chunk.get(..count).unwrap_or_default()).map_err(Failure::writing)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::reading(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::counting;

    #[test]
    fn what_xz_packs_is_unpacked() {
        let text = text(300_007);
        for flags in [&["-6"][..], &["-0"], &["-6", "--check=crc32"], &["-6", "--block-size=65536"]] {
            let (result, unpacked) = unpacked(&xz(flags, &text), DEFAULT_BYTES);
            assert_eq!(result.expect("unpacked"), 300_007, "{flags:?}");
            assert!(unpacked == text, "{flags:?}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let packed = xz(&["-6"], &text(10_007));
        assert_eq!(unpacked(&packed, 10_007).0.expect("unpacked"), 10_007);
        let (result, unpacked) = unpacked(&packed, 10_006);
        assert!(matches!(result, Err(Failure::OverBudget)), "{result:?}");
        assert!(unpacked.len() <= 10_006);
    }

    #[test]
    fn the_decoder_keeps_to_its_memory() {
        let packed = xz(&["-6"], &text(20_000_003));
        let (result, peak) = counting::peak(|| unpack(packed.as_slice(), &mut io::sink(), DEFAULT_BYTES));
        assert_eq!(result.expect("unpacked"), 20_000_003);
        // The dictionary grows with what it holds, so half of it is there twice for a moment.
        assert!(peak < 13 << 20, "{peak} bytes");
    }

    #[test]
    fn a_dictionary_that_is_too_large_is_refused_before_it_is_there() {
        let packed = xz(&["--lzma2=preset=6,dict=64MiB"], &text(10_007));
        let (result, peak) = counting::peak(|| unpack(packed.as_slice(), &mut io::sink(), DEFAULT_BYTES));
        assert!(matches!(result, Err(Failure::OverBudget)), "{result:?}");
        assert!(peak < 1 << 20, "{peak} bytes");
    }

    #[test]
    fn a_changed_or_missing_byte_changes_nothing_unnoticed() {
        let text = text(3_001);
        let packed = xz(&["-6"], &text);
        for position in 0..packed.len() {
            assert!(unpacked(&packed[..position], DEFAULT_BYTES).0.is_err(), "cut at {position}");
            for bit in 0..8 {
                let mut changed = packed.clone();
                changed[position] ^= 1 << bit;
                let (result, unpacked) = unpacked(&changed, DEFAULT_BYTES);
                assert!(result.is_err() || unpacked == text, "byte {position}, bit {bit}");
            }
        }
    }

    #[test]
    fn other_bytes_are_damage() {
        let (result, _) = unpacked(b"\x7fELF and no xz", DEFAULT_BYTES);
        assert!(matches!(result, Err(Failure::Damaged)), "{result:?}");
    }

    fn unpacked(packed: &[u8], most: u64) -> (Result<u64, Failure>, Vec<u8>) {
        let mut unpacked = Vec::new();
        (unpack(packed, &mut unpacked, most), unpacked)
    }

    /// Names, as in a symbol table.
    fn text(size: usize) -> Vec<u8> {
        (0_u64..)
            .flat_map(|number| format!("_ZN4shop{}E\0", number * number % 9_973).into_bytes())
            .take(size)
            .collect()
    }

    /// What the real tool makes of `bytes`.
    fn xz(flags: &[&str], bytes: &[u8]) -> Vec<u8> {
        let mut tool = Command::new("xz");
        tool.args(flags).arg("--stdout").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut tool = tool.spawn().expect("xz runs");
        let mut input = tool.stdin.take().expect("an input");
        let packed = std::thread::scope(|scope| {
            scope.spawn(move || input.write_all(bytes).expect("written"));
            tool.wait_with_output().expect("xz ends")
        });
        assert!(packed.status.success());
        packed.stdout
    }
}
