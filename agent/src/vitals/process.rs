//! The numbers that Prometheus' own clients give of every process, under the names they have there.

use std::time::Duration;

use crate::figure::Family;
use crate::sys::process;

/// What `/proc/self/stat` tells, proc_pid_stat(5).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    threads: u64,
    /// Since the machine's start, in the kernel's ticks.
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// A family for each number that the system tells.
pub(super) fn families() -> Vec<Family> {
    let stat = std::fs::read("/proc/self/stat").ok().and_then(|stat| parse(&String::from_utf8_lossy(&stat)));
    let stat = |field: fn(&Stat) -> u64| stat.as_ref().map(|stat| field(stat) as f64);
    let page = process::page_size().ok().map(|bytes| bytes as f64);
    let cpu = process::cpu_time().ok().map(|time| time.as_secs_f64());
    let numbers = [
        (Family::counter("process_cpu_seconds_total", "CPU time used by all threads, user and system."), cpu),
        (
            Family::gauge("process_resident_memory_bytes", "Resident memory."),
            stat(|stat| stat.resident_pages).zip(page).map(|(pages, page)| pages * page),
        ),
        (Family::gauge("process_virtual_memory_bytes", "Address space."), stat(|stat| stat.virtual_bytes)),
        (Family::gauge("process_open_fds", "Open file descriptors."), open_descriptors()),
        (
            Family::gauge("process_max_fds", "The most file descriptors that may be open."),
            process::descriptor_limit().ok().map(|limit| limit as f64),
        ),
        (
            Family::gauge("process_start_time_seconds", "When the process began, in seconds since 1970."),
            stat(|stat| stat.started).and_then(began),
        ),
        (Family::gauge("process_threads", "Threads alive."), stat(|stat| stat.threads)),
    ];
    numbers.into_iter().filter_map(|(family, number)| Some(family.of(number?))).collect()
}

fn open_descriptors() -> Option<f64> {
    use crate::gauge::{Fds, Gauge as _};
    Fds::new().read().ok()
}

/// The moment that lies `ticks` after the machine's start.
fn began(ticks: f64) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let booted: u64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let a_second = process::ticks_a_second().ok()? as f64;
    Some(Duration::from_secs(booted).as_secs_f64() + ticks / a_second)
}

/// Fields 20, 22, 23 and 24. The second, the name, may hold blanks, so we count from its end.
fn parse(stat: &str) -> Option<Stat> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split_ascii_whitespace().skip(17);
    let mut field = || fields.next()?.parse().ok();
    let threads = field()?;
    field()?;
    Some(Stat { threads, started: field()?, virtual_bytes: field()?, resident_pages: field()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194304 110 0 0 0 1 2 0 0 20 0 13 0 12345 4096 2 18446744073709551615";
        let expected = Stat { threads: 13, started: 12_345, virtual_bytes: 4_096, resident_pages: 2 };
        assert_eq!(parse(stat), Some(expected));
        assert_eq!((parse(""), parse("7 (a) S 1 7")), (None, None));
    }

    #[test]
    fn this_process_has_every_number() {
        let families = families();
        let names: Vec<_> = families.iter().map(|family| family.name).collect();
        let expected = [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_start_time_seconds",
            "process_threads",
        ];
        assert_eq!(names, expected);
        assert!(
            families.iter().all(|family| family.figures.iter().all(|figure| figure.value > 0.0)),
            "{families:?}"
        );
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let age = now.as_secs_f64() - families[5].figures[0].value;
        assert!((-2.0..3_600.0).contains(&age), "{age}");
    }
}
