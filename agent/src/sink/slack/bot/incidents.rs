//! Where the message of each incident is, and what it says: in memory, bounded; the channel's history knows it too.

use std::collections::VecDeque;

use serde_json::Value;

use super::web::Posted;

/// The most that are remembered, the oldest out first. A message is some 4 KiB, 150 KiB at most.
const MAX_INCIDENTS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Incidents(VecDeque<Incident>);

/// One incident.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) id: String,
    /// The message that its thread hangs on; maybe that of another replica.
    pub(super) message: Posted,
    /// The blocks of the message where it is our own; empty where it is not.
    pub(super) blocks: Vec<Value>,
}

impl Incidents {
    pub(super) fn get(&self, id: &str) -> Option<&Incident> {
        self.0.iter().find(|incident| incident.id == id)
    }

    /// Remembers it in the place of what was known of it.
    pub(super) fn put(&mut self, incident: Incident) {
        self.forget(&incident.id);
        self.0.push_back(incident);
        while self.0.len() > MAX_INCIDENTS {
            self.0.pop_front();
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.0.retain(|incident| incident.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut incidents = Incidents::default();
        for number in 0..=MAX_INCIDENTS {
            let message = Posted { channel: "C1".into(), ts: number.to_string() };
            incidents.put(Incident { id: number.to_string(), message, blocks: Vec::new() });
        }
        assert!(incidents.get("0").is_none() && incidents.get("1").is_some());
        incidents.forget("1");
        assert!(incidents.get("1").is_none());
    }
}
