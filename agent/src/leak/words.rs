//! A leak in words: what the page and the alert both say. Pure.

use super::{Cause, Leak, Level, Subject};
use crate::moment::spoken;

impl Leak {
    /// `shop::cache::insert (src/cache.rs:88) on POST /orders`.
    pub(crate) fn title(&self) -> String {
        let place = self.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let route = self.route.as_ref().map(|route| format!(" on {route}")).unwrap_or_default();
        format!("{}{place}{route}", self.name)
    }

    /// `4.2 MiB more every minute (3.9 MiB to 4.5 MiB), 480 MiB ± 12 MiB so far`.
    pub(crate) fn growth(&self) -> String {
        let unit = self.subject.unit();
        let (low, rate, high) = self.rate;
        let (leaked, error) = self.leaked;
        let error = if error > 0.0 { format!(" ± {}", unit.show(error)) } else { String::new() };
        let so_far = format!("{}{error} so far", self.subject.show(leaked));
        if self.level == Level::Resolved {
            return format!("has stopped or was freed; it had grown by {} a minute", self.subject.show(rate));
        }
        let per_minute = self.subject.show(rate);
        format!("{per_minute} more every minute ({} to {}), {so_far}", unit.show(low), unit.show(high))
    }

    /// Why it is taken for a leak, one sentence a line.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let (window, border) = (spoken(self.window), spoken(self.border));
        let died = if self.subject == Subject::Heap { "were freed" } else { "ended" };
        let mut reasons = vec![match self.cause {
            Cause::Doubling => format!(
                "One object is replaced by a larger one again and again, for {window}: a table that only grows."
            ),
            _ => format!(
                "In {window} {} more have come to be older than {border} than {died} at that age.",
                crate::Unit::Count.show(f64::from(self.samples))
            ),
        }];
        // A table is freed each time that a larger one takes its place.
        if let Some(share) = self.immortal.filter(|_| self.cause != Cause::Doubling) {
            reasons.push(format!(
                "{} of what is allocated there is never freed.",
                crate::Unit::Ratio.show(share)
            ));
        }
        reasons.push(format!(
            "Half of what lives is older than {}, the oldest {}.",
            // It is known to the class of a histogram, which may end beyond the oldest.
            spoken(self.median.min(self.oldest)),
            spoken(self.oldest)
        ));
        if self.low_confidence {
            reasons.push("Low confidence: told early because memory ends soon.".to_owned());
        }
        if let Some(plateau) = self.plateau {
            reasons.push(format!(
                "It is known to fill to {} and is still below that: no alert.",
                self.subject.show(plateau)
            ));
        }
        reasons
    }
}
