//! Open descriptors by what they are: files by path, sockets by the other side. The kernel does not tell since when one
//! is open, so it is as old as the first look that saw it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use super::{Names, hash};
use crate::profile::Frame;
use crate::source::threads::folded;
use crate::sys::socket::{self, Socket};

/// The most descriptors looked at, 3 to 5 µs each.
const MAX_DESCRIPTORS: usize = 16_384;

/// The descriptors of this process.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    names: Names,
    /// What each number was at the last look: the kernel's name for it as a hash, its key, and when it was first seen.
    known: HashMap<i32, (u64, u64, Duration)>,
}

impl Descriptors {
    /// Hands the key and the age at `now` of each to `each`. Returns how many were not looked at.
    pub(crate) fn visit(&mut self, now: Duration, mut each: impl FnMut(u64, Duration)) -> u64 {
        let Ok(entries) = fs::read_dir("/proc/self/fd") else { return 0 };
        let numbers: Vec<i32> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        let mut seen = HashMap::with_capacity(numbers.len().min(MAX_DESCRIPTORS));
        let mut listening = None;
        for number in numbers.iter().take(MAX_DESCRIPTORS) {
            // One that is closed while we look, such as the one that we look with, is none any more.
            let Ok(link) = fs::read_link(format!("/proc/self/fd/{number}")) else { continue };
            let link = link.to_string_lossy();
            let identity = hash(&link);
            let (key, since) = match self.known.get(number) {
                Some((before, key, since)) if *before == identity => (*key, *since),
                _ => {
                    let ports = listening.get_or_insert_with(|| listening_ports(&numbers));
                    (self.names.key(name(*number, &link, ports)), now)
                }
            };
            seen.insert(*number, (identity, key, since));
            each(key, now.saturating_sub(since));
        }
        self.known = seen;
        numbers.len().saturating_sub(MAX_DESCRIPTORS) as u64
    }

    /// What `key` stands for.
    pub(crate) fn frames(&self, key: u64) -> Vec<Frame> {
        self.names.frames(key)
    }
}

/// What a descriptor is, such that those of one kind have one name.
fn name(number: i32, link: &str, listening: &HashSet<u16>) -> String {
    match link.split_once(":[") {
        Some(("socket", _)) => socket_name(&socket::look(number), listening),
        Some((kind, _)) => kind.to_owned(),
        None => match link.strip_prefix("anon_inode:") {
            Some(kind) => kind.trim_matches(['[', ']']).to_owned(),
            None => format!("file {}", folded(link.trim_end_matches(" (deleted)"))),
        },
    }
}

/// The ports that clients come from are any; the port that they come to is ours.
fn socket_name(socket: &Socket, listening: &HashSet<u16>) -> String {
    match (socket.local, socket.peer) {
        (Some(local), _) if socket.listens => format!("socket that listens on {local}"),
        (Some(local), Some(peer)) if listening.contains(&local.port()) => {
            format!("socket from {} on port {}", peer.ip(), local.port())
        }
        (_, Some(peer)) => format!("socket to {peer}"),
        (Some(local), None) => format!("socket of {} without a peer", local.ip()),
        (None, None) => "socket within this machine".to_owned(),
    }
}

fn listening_ports(numbers: &[i32]) -> HashSet<u16> {
    let sockets = numbers.iter().take(MAX_DESCRIPTORS).map(|number| socket::look(*number));
    sockets.filter(|socket| socket.listens).filter_map(|socket| Some(socket.local?.port())).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn descriptors_are_known_by_what_they_are_and_grow_old() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let clients = [0; 3].map(|_| TcpStream::connect(address).expect("a connection"));
        let accepted = [0; 3].map(|_| listener.accept().expect("a connection"));
        let folder = std::env::temp_dir().join(format!("flamewatch-living-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let files = [1, 22]
            .map(|number| fs::File::create(folder.join(format!("part-{number}.log"))).expect("a file"));
        let mut descriptors = Descriptors::default();
        let mut look = |seconds: u64| {
            let mut found = HashMap::<u64, (u32, Duration)>::new();
            let left = descriptors.visit(Duration::from_secs(seconds), |key, age| {
                let entry = found.entry(key).or_default();
                *entry = (entry.0 + 1, entry.1.max(age));
            });
            assert_eq!(left, 0);
            found
        };
        look(5);
        let found = look(12);
        let count = |name: String| found.get(&hash_of(&name)).copied();
        let old = Duration::from_secs(7);
        assert_eq!(count(format!("socket to {address}")), Some((3, old)));
        assert_eq!(count(format!("socket from 127.0.0.1 on port {}", address.port())), Some((3, old)));
        assert_eq!(count(format!("socket that listens on {address}")), Some((1, old)));
        let file = folded(&folder.join("part-1.log").to_string_lossy());
        assert_eq!(count(format!("file {file}")), Some((2, old)));
        drop((clients, accepted, files));
        fs::remove_dir_all(&folder).expect("ours");
    }

    fn hash_of(name: &str) -> u64 {
        Names::default().key(name.to_owned())
    }
}
