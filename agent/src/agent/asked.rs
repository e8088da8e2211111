//! Profiles that somebody outside asks for: taken one at a time, and sent where alerts go.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::desk::Desk;
use crate::inbound::{Counts, Inbound, Order};
use crate::sink::{Alert, Delivery, Kind, State};
use crate::source::Window;
use crate::suspect::Growth;

use super::investigation::{self, SITES};

/// The rule in alerts that bring what was asked for.
const RULE: &str = "profile asked for";

/// Whom the profiles are of, and where they go.
pub(super) struct Asked {
    pub(super) service: String,
    pub(super) url: Option<String>,
    pub(super) desk: Arc<Desk>,
    pub(super) deliveries: Arc<Vec<Delivery>>,
}

impl Asked {
    /// Lets people ask through `inbound` for as long as the agent runs.
    pub(super) async fn serve(self, inbound: Inbound) {
        let (mut orders, work) = inbound.answer(std::future::pending());
        let work = tokio::spawn(work);
        let mut number = 0_u64;
        while let Some((order, turn)) = orders.recv().await {
            number += 1;
            let alert = Arc::new(self.profile(&order, number).await);
            self.deliveries.iter().for_each(|delivery| delivery.send(alert.clone()));
            drop(turn);
        }
        let _ = work.await;
    }

    async fn profile(&self, order: &Order, number: u64) -> Alert {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = format!("{seconds:x}-{:x}-asked-{number}", std::process::id());
        let mut alert = Alert::new(id.clone(), State::Firing, self.service.clone(), RULE);
        alert.kind = Kind::Asked;
        alert.context = vec![self.desk.identity().summary()];
        // What has no window is as it is now.
        let windowed = self.desk.is_windowed(order.kind).unwrap_or_default();
        let length = if windowed { order.length } else { Duration::ZERO };
        let over = if windowed { format!(", {} s", length.as_secs()) } else { String::new() };
        alert.headline = format!("{} profile{over}, asked for by {}", order.word, order.who);
        match self.desk.collect(order.kind, Window::of(length)).await {
            Ok(profile) => {
                alert.sites = Growth::of(&profile).sites(&profile, false, SITES);
                let url = self.url.as_deref();
                investigation::keep(&mut alert, profile, order.kind, &id, url, &self.desk).await;
            }
            Err(error) => alert.details.push(format!("No {} profile: {error:#}.", order.word)),
        }
        alert
    }
}

/// What came of what was asked, in words; nothing when nobody has asked.
pub(super) fn account(counts: Counts) -> Option<(String, String)> {
    let Counts { begun, repeated, turned_away, refused } = counts;
    let words =
        format!("{begun} taken, {repeated} asked for twice, {turned_away} turned away, {refused} refused");
    (counts != Counts::default()).then(|| ("profiles asked for".to_owned(), words))
}
