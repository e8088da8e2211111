//! The operating system's threads of this process as `/proc` lists them: which there are, what they are called, what
//! they do. Touches none of them.

#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod dump;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) mod stacks;
pub(super) mod stat;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) mod wait;

use std::fs;
use std::io;
use std::path::Path;

#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use dump::ThreadStacks;
pub(super) use stat::Stat;

/// How the names of the agent's own threads begin.
pub(super) const OWN: &str = "flamewatch-";

/// Where the kernel lists a process's own threads, proc_pid_task(5).
const TASKS: &str = "/proc/self/task";

/// The numbers of all threads alive, about 0.2 µs each.
///
/// # Errors
/// Where there is no `/proc`.
pub(super) fn list() -> io::Result<Vec<u32>> {
    list_in(Path::new(TASKS))
}

/// The same of another folder.
pub(super) fn list_in(tasks: &Path) -> io::Result<Vec<u32>> {
    let entries = fs::read_dir(tasks)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// A number that changes when the number of threads does: a look of 1 µs that tells whether to list them again. The
/// kernel gives the folder as many links as it has entries.
#[cfg(target_os = "linux")]
pub(super) fn count() -> Option<u64> {
    use std::os::linux::fs::MetadataExt;
    fs::metadata(TASKS).ok().map(|folder| folder.st_nlink())
}

/// The name of thread `thread`, 15 bytes at most; what it called itself last.
pub(super) fn name(thread: u32) -> Option<String> {
    let name = fs::read(format!("{TASKS}/{thread}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
}

/// What the kernel says of thread `thread`.
pub(super) fn stat(thread: u32) -> Option<Stat> {
    let text = fs::read(format!("{TASKS}/{thread}/stat")).ok()?;
    Stat::parse(&String::from_utf8_lossy(&text))
}

/// Whether thread `thread` blocks the signal `number`, proc_pid_status(5).
pub(super) fn blocks(thread: u32, number: i32) -> Option<bool> {
    let text = fs::read_to_string(format!("{TASKS}/{thread}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
    let mask = u64::from_str_radix(line.trim(), 16).ok()?;
    let bit = u32::try_from(number.checked_sub(1)?).ok()?;
    Some(mask.checked_shr(bit)? & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_listed_named_and_described() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let before = count().expect("a folder");
        let body = move || {
            // SAFETY-free way to learn one's own number: the link that the kernel keeps for each thread.
            let link = fs::read_link("/proc/thread-self").expect("a link");
            let own: u32 = link
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse().ok())
                .expect("a number");
            let found = (list().expect("threads").contains(&own), name(own), stat(own).map(|stat| stat.name));
            let _ = released.recv();
            (found, blocks(own, 27))
        };
        let thread = std::thread::Builder::new().name("listed".to_owned()).spawn(body).expect("a thread");
        assert!(count().expect("a folder") > 0 && before > 0);
        drop(release);
        let (found, blocks) = thread.join().expect("a thread");
        assert_eq!(found, (true, Some("listed".to_owned()), Some("listed".to_owned())));
        assert_eq!(blocks, Some(false));
    }
}
