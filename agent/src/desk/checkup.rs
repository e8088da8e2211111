//! The last check-up of this process. What is looked at the agent knows, who knows everyone; here it is kept for a minute, so
//! that a page that is loaded again and again costs one check-up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Desk;
use crate::doctor::Report;

/// How long a check-up counts as new.
const FRESH: Duration = Duration::from_secs(60);

/// Makes check-ups, one at a time, and remembers the last.
#[derive(Default)]
pub(super) struct Practice {
    examine: Option<Box<dyn Fn() -> Report + Send + Sync>>,
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

impl Desk {
    /// The same desk, for which `examine` makes check-ups.
    pub(crate) fn examined_by(self, examine: impl Fn() -> Report + Send + Sync + 'static) -> Self {
        Self { practice: Practice { examine: Some(Box::new(examine)), ..Practice::default() }, ..self }
    }

    /// A check-up, and how long ago it was made. Takes up to a few seconds when the last is a minute old; who asks meanwhile
    /// waits for the same.
    pub(crate) fn checkup(&self) -> (Arc<Report>, Duration) {
        let mut last = self.practice.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, report)) = &*last
            && made.elapsed() < FRESH
        {
            return (report.clone(), made.elapsed());
        }
        let report = Arc::new(self.practice.examine.as_ref().map(|examine| examine()).unwrap_or_default());
        *last = Some((Instant::now(), report.clone()));
        (report, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::desk::Identity;
    use crate::doctor::Check;

    #[test]
    fn who_asks_again_soon_gets_the_same() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = made.clone();
        let desk = Desk::new(Vec::new(), Identity::of("shop", None)).examined_by(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut report = Report::default();
            report.checks.push(Check::ok("any", "well"));
            report
        });
        let (first, again) = (desk.checkup().0, desk.checkup().0);
        assert!(Arc::ptr_eq(&first, &again) && first.checks.len() == 1);
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }
}
