//! An alert on its way to the sinks: what the deliveries and the store both know of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use crate::sink::{Alert, Receipt};

use super::keeper::Shared;

/// An alert, and the sinks that it has not arrived at.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// Names it among those of this process.
    pub(super) number: u64,
    pub(crate) alert: Arc<Alert>,
    pub(super) stops: Vec<Stop>,
    /// When it was first on its way, and the run that it was from.
    pub(super) tried: SystemTime,
    pub(super) run: String,
    shared: Weak<Shared>,
}

/// One sink.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) sink: String,
    /// The delivery has come to an end. It says nothing of other memory, so `Relaxed` will do.
    done: AtomicBool,
}

impl Parcel {
    pub(super) fn new(
        number: u64,
        alert: Arc<Alert>,
        stops: impl IntoIterator<Item = (String, bool)>,
        tried: SystemTime,
        run: String,
        shared: &Arc<Shared>,
    ) -> Self {
        let stop = |(sink, done)| Stop { sink, done: AtomicBool::new(done) };
        let stops = stops.into_iter().map(stop).collect();
        Self { number, alert, stops, tried, run, shared: Arc::downgrade(shared) }
    }

    /// The sinks that it has not arrived at, with their places.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (usize, &str)> {
        let open = self.stops.iter().enumerate().filter(|(_, stop)| !stop.is_done());
        open.map(|(place, stop)| (place, stop.sink.as_str()))
    }

    /// What the delivery to the sink at `place` gives back when it has come to an end.
    pub(crate) fn receipt(self: &Arc<Self>, place: usize) -> Receipt {
        let parcel = self.clone();
        Receipt::new(move || parcel.settle(place))
    }

    /// It has arrived at the sink at `place`, or never will.
    pub(crate) fn settle(&self, place: usize) {
        if let Some(stop) = self.stops.get(place) {
            stop.done.store(true, Ordering::Relaxed);
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.settled(self.number, place);
        }
    }
}

impl Stop {
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}
