//! What the driver asks for, in environment variables: a preloaded library has no arguments of its own.

use std::env;
use std::fs;
use std::path::PathBuf;

/// The executable segment of the binary, as its program header says: addresses of the file, not of a process.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub start: u64,
    pub end: u64,
    pub file_offset: u64,
}

/// One measurement.
#[derive(Debug)]
pub struct Request {
    pub binary: PathBuf,
    pub segment: Segment,
    /// Distinct addresses of the file, in the driver's order.
    pub addresses: Vec<u64>,
    /// How often the known addresses are asked again.
    pub repeat: usize,
    /// Where the figures go, as one line of JSON.
    pub out: PathBuf,
    /// Where every answer goes, for comparing tools.
    pub dump: Option<PathBuf>,
}

impl Request {
    /// Reads the variables `BENCH_*`.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_env() -> Result<Self, String> {
        let path = variable("BENCH_ADDRESSES")?;
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self {
            binary: variable("BENCH_BINARY")?.into(),
            segment: segment(&variable("BENCH_SEGMENT")?).ok_or("BENCH_SEGMENT is not start:end:offset")?,
            addresses: text.lines().map(hex).collect::<Option<_>>().ok_or("BENCH_ADDRESSES: not hex")?,
            repeat: variable("BENCH_REPEAT")?.parse().map_err(|error| format!("BENCH_REPEAT: {error}"))?,
            out: variable("BENCH_OUT")?.into(),
            dump: env::var_os("BENCH_DUMP").map(PathBuf::from),
        })
    }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn segment(text: &str) -> Option<Segment> {
    let mut parts = text.split(':').map(hex);
    Some(Segment { start: parts.next()??, end: parts.next()??, file_offset: parts.next()?? })
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}
