//! What naming costs: `cargo run --release -p flamewatch-symbolizer --example cost -- 500` names that many addresses
//! of this very program, spread evenly over its code, and tells the time and the growth of the peak memory.
#![allow(clippy::print_stdout, reason = "a figure for a person to read")]

use std::time::Instant;

use flamewatch_symbolizer::{Addr, ModuleMap, Symbolizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(500), |count| count.parse())?;
    let map = ModuleMap::current()?;
    let (_, segment) = map.lookup(main as fn() -> _ as usize as u64).ok_or("this program is not mapped")?;
    let step = ((segment.end - segment.start) / count.max(1)).max(1);
    let addresses: Vec<Addr> = (0..count).map(|index| Addr::Pc(segment.start + index * step)).collect();

    // Makes the kernel forget the peak so far, proc(5).
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = kilobytes("VmRSS:")?;
    let began = Instant::now();
    let resolved = Symbolizer::default().resolve(&map, &addresses);
    let took = began.elapsed();
    let (peak, after) = (kilobytes("VmHWM:")?, kilobytes("VmRSS:")?);

    let report = resolved.report();
    println!("{} addresses, {} named, {} not", resolved.len(), report.named(), report.unnamed());
    println!("time {took:.1?}");
    println!("peak RSS growth {} KiB", peak.saturating_sub(before));
    println!("RSS growth after {} KiB, of which the answer is a part", after.saturating_sub(before));
    Ok(())
}

fn kilobytes(name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
