//! Everything that lives and can leak, one by one with its age, for who judges births and deaths: sampled allocations,
//! tasks, threads, descriptors. Each has a key that says what it is one of, and a key has frames, as in a profile.

#[cfg(target_os = "linux")]
mod descriptors;
mod tasks;
#[cfg(target_os = "linux")]
mod threads;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod walked;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
#[path = "walked/silent.rs"]
mod walked;

#[cfg(target_os = "linux")]
pub(crate) use descriptors::Descriptors;
pub(crate) use tasks::Tasks;
#[cfg(target_os = "linux")]
pub(crate) use threads::Threads;
pub(crate) use walked::Walked;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::profile::{Frame, Function};

/// The most names of threads and of kinds of descriptors that are told apart; later ones have none. At 64 bytes a name
/// that is 128 KB.
const MAX_NAMES: usize = 2_048;

/// Names by key.
#[derive(Debug, Default)]
struct Names(HashMap<u64, String>);

impl Names {
    /// The key of `name`, the same in every run.
    fn key(&mut self, name: String) -> u64 {
        let key = hash(&name);
        if self.0.len() < MAX_NAMES {
            self.0.entry(key).or_insert(name);
        }
        key
    }

    fn frames(&self, key: u64) -> Vec<Frame> {
        let name = self.0.get(&key).map_or("(more names than are kept)", String::as_str);
        vec![Frame::named(Function::new(name, "", 0))]
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
