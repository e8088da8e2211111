//! Going on with what earlier runs have left: what they had told, what they could not deliver, and their deaths.

use std::time::{Duration, UNIX_EPOCH};

use crate::config::Config;
use crate::store::{Death, Legacy};
use crate::watch::telling::{Told, Topic};

use super::super::{afterlife, bulletin, dispatch};
use super::{Gone, Newsroom};

/// How long a leak takes at least until it is confirmed again after a restart: the longest window of its detector.
const LEAK_PATIENCE: Duration = Duration::from_secs(4 * 60 * 60);

/// How long a fault may take until it is seen again after a restart, by what it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    level: Duration,
    growth: Duration,
    leak: Duration,
}

impl Newsroom {
    /// Goes on with what earlier runs have left: what they had told, what they could not deliver, and their deaths.
    pub(in super::super) fn inherit(&mut self, legacy: Legacy, now: Duration) {
        let Legacy { deaths, telling, parcels } = legacy;
        self.inherited = true;
        if let Some(telling) = telling {
            match serde_json::from_value::<Told>(telling) {
                Ok(mut told) => {
                    for parcel in &parcels {
                        let kind = bulletin::kind_of(parcel.alert.kind);
                        kind.into_iter().for_each(|kind| told.arrived(&parcel.alert.id, kind));
                    }
                    let (time, patience) = (self.time(now), self.patience);
                    let knows = |rule: &str| self.rules.iter().any(|known| known == rule);
                    self.telling.inherit(told, time, knows, |topic| patience.with(topic));
                }
                Err(error) => {
                    tracing::warn!(
                        "flamewatch: what the run before this one has told cannot be read: {error}"
                    );
                }
            }
        }
        dispatch::resume(&parcels, &self.deliveries);
        for death in deaths {
            self.hear_of_death(death, now);
        }
        self.take_note();
    }

    fn hear_of_death(&mut self, death: Death, now: Duration) {
        let last = self.desk.store().newest_of(&death.run);
        let last = last.as_ref().map(|kept| &kept.about);
        if !death.known {
            tracing::warn!("flamewatch: {}", afterlife::line(&death, last));
        }
        let (time, url) = (self.time(now), self.url.clone());
        let at = death.last_sign.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut alerts = Vec::new();
        if death.inherited && self.telling.goes_on() {
            for post in self.telling.died(time, at, death.known) {
                let mark = self.stamp.mark(&post);
                let alert =
                    afterlife::alert_of_incident(&death, last, &post, &mark, &self.service, url.as_deref());
                alerts.push((Some(post), alert));
            }
        } else if !death.known && !death.open.is_empty() && self.telling.other_died(time) {
            alerts.push((None, afterlife::alert_of_another(&death, last, &self.service, url.as_deref())));
        }
        self.take_note();
        let Death { run, known, .. } = death;
        if known {
            return;
        }
        let identity = self.desk.identity().summary();
        let (note, desk, deliveries) = (self.note, self.desk.clone(), self.deliveries.clone());
        self.cases.spawn(async move {
            let mut gone = Vec::new();
            for (post, mut alert) in alerts {
                alert.context.insert(0, identity.clone());
                dispatch::dispatch(alert, note, &desk, &deliveries).await;
                gone.extend(post.as_ref().map(Gone::of));
            }
            // Not before: should we die over it, the next run tells. Where nobody is to hear of it, that is noted by now.
            desk.store().told(run);
            gone
        });
    }
}

impl Patience {
    pub(super) fn of(config: &Config) -> Self {
        let level = config.warm_up + config.hold;
        let leak = LEAK_PATIENCE.div_f64(config.leak_timescale);
        Self { level, growth: level + config.growth_window, leak }
    }

    const fn with(&self, topic: Topic) -> Duration {
        match topic {
            Topic::Leak(_) => self.leak,
            Topic::Growth(_) | Topic::Part(_) => self.growth,
            _ => self.level,
        }
    }
}
