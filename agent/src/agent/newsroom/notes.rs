//! What is noted for the next run: what people have been told, and which faults are open.

use std::time::SystemTime;

use crate::store::Open;
use crate::watch::telling;

use super::Newsroom;

/// How a fault stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    Open,
    /// It is gone for now; people have not been told that it is over.
    Quiet,
    Over,
}

impl Standing {
    pub(super) const fn of(is_over: bool, is_told: bool) -> Self {
        match (is_over, is_told) {
            (false, _) => Self::Open,
            (true, false) => Self::Quiet,
            (true, true) => Self::Over,
        }
    }
}

impl Newsroom {
    /// Has it noted for the next run what people have been told, where that has changed.
    pub(super) fn take_note(&mut self) {
        if !self.inherited {
            return;
        }
        let told = self.telling.told(|number| self.stamp.name(number));
        if told == self.noted {
            return;
        }
        match serde_json::to_value(&told) {
            Ok(value) => self.note = self.desk.store().note(value).or(self.note),
            Err(error) => tracing::error!("flamewatch: what was told cannot be noted: {error}"),
        }
        self.noted = told;
    }

    /// Notes for the next run how what `rule` tells of stands, told or not, with a headline as long as nothing better is known.
    pub(super) fn note_open(
        &self,
        standing: Standing,
        case: &telling::Case<'_>,
        rule: String,
        headline: String,
        since: Option<SystemTime>,
    ) {
        match standing {
            Standing::Open => {}
            Standing::Quiet => return self.desk.store().quieted(&rule),
            Standing::Over => return self.desk.store().closed(&rule),
        }
        let Some((number, name)) = self.telling.incident_of(case) else { return };
        let id = name.map_or_else(|| self.stamp.name(number), str::to_owned);
        let since = since.unwrap_or_else(SystemTime::now);
        self.desk.store().opened(Open { id, rule, headline, since });
    }
}
