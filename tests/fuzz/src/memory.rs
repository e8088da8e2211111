//! How much memory this process has, as the kernel counts it.

use std::fs;

/// Bytes resident now.
pub(crate) fn now() -> u64 {
    field("VmRSS:")
}

/// The most bytes that were ever resident.
pub(crate) fn peak() -> u64 {
    field("VmHWM:")
}

/// 0 where the kernel does not say.
fn field(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
