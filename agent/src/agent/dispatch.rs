//! An alert goes out: what was told is noted for the next run first, then the sinks get it, and it is on disk until all of
//! them have it. The sinks do not wait for the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::sink::{Alert, Delivery};
use crate::store::Parcel;

/// How long an alert waits for a slow disk to note it. Late news is worse than news that might come twice.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long deliveries that are under way at the end have to get there.
const FAREWELL: Duration = Duration::from_millis(500);

/// Gives `alert` to all sinks after `note` is on disk. Returns when the alert is on disk, too, or has arrived or cannot be
/// there: from then on it is not lost with the process.
pub(super) async fn dispatch(alert: Alert, note: Option<u64>, desk: &Desk, deliveries: &[Delivery]) {
    if let Some(note) = note {
        let _ = tokio::time::timeout(PATIENCE, desk.store().noted(note)).await;
    }
    desk.store().retitled(&alert.id, &alert.rule, &alert.headline);
    let alert = Arc::new(alert);
    let sinks = deliveries.iter().map(|delivery| delivery.name().to_owned()).collect();
    let Some((parcel, is_written)) = desk.store().dispatch(&alert, sinks) else {
        return deliveries.iter().for_each(|delivery| delivery.send(alert.clone()));
    };
    for (place, delivery) in deliveries.iter().enumerate() {
        delivery.send_with(alert.clone(), parcel.receipt(place));
    }
    let _ = is_written.await;
}

/// Gives the sinks what earlier runs could not deliver to those of the same names. Where there is none any more, it is lost.
pub(super) fn resume(parcels: &[Arc<Parcel>], deliveries: &[Delivery]) {
    let mut lost = 0;
    for parcel in parcels {
        let mut taken = vec![false; deliveries.len()];
        for (place, sink) in parcel.pending() {
            let free = deliveries
                .iter()
                .zip(&mut taken)
                .find(|(delivery, taken)| !**taken && delivery.name() == sink);
            if let Some((delivery, taken)) = free {
                *taken = true;
                delivery.send_with(parcel.alert.clone(), parcel.receipt(place));
            } else {
                lost += 1;
                parcel.settle(place);
            }
        }
    }
    if lost > 0 {
        tracing::warn!("flamewatch: {lost} alerts of earlier runs were for sinks that there are no more");
    }
}

/// Stops the deliveries, so that what they still have to do is what the next run finds on disk.
pub(super) fn rest(deliveries: &[Delivery]) {
    deliveries.iter().for_each(Delivery::rest);
    let deadline = Instant::now() + FAREWELL;
    deliveries.iter().for_each(|delivery| delivery.rested(deadline));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{self, State};
    use crate::store::{Run, Store};

    #[test]
    fn sinks_get_by_name_what_they_had_not_and_what_is_for_nobody_goes() {
        let path = std::env::temp_dir().join(format!("flamewatch-dispatch-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let store = || Store::new(Run::now("shop", None)).on_disk(&path);
        let first = store();
        let alert = |id: &str| Arc::new(Alert::new(id, State::Firing, "shop", "queue high"));
        for (id, sinks) in [("a1", vec!["log", "slack"]), ("b2", vec!["slack"]), ("c3", vec!["log", "log"])] {
            let sinks = sinks.into_iter().map(str::to_owned).collect();
            let (_, written) = first.dispatch(&alert(id), sinks).expect("a keeper");
            written.blocking_recv().expect("written");
        }
        first.end(PATIENCE);
        let next = store();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let parcels = runtime.block_on(next.legacy()).parcels;
        assert_eq!(parcels.len(), 3);
        let start = || Delivery::start(Box::new(sink::Log::new()), sink::Options::default());
        let deliveries = [start().expect("a thread"), start().expect("a thread")];
        resume(&parcels, &deliveries);
        let end = Instant::now() + Duration::from_secs(20);
        while next.waiting().is_some_and(|waiting| waiting.alerts > 0) {
            assert!(Instant::now() < end, "{:?}", next.waiting());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(
            deliveries.map(|delivery| delivery.status().sent),
            [2, 1],
            "two of one name, each its own"
        );
        next.end(PATIENCE);
        std::fs::remove_dir_all(path).expect("ours");
    }
}
