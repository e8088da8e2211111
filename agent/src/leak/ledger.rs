//! Shows the detectors everything that lives, each time with its age: once a minute, on a thread of the agent.

#[cfg(feature = "heap")]
use std::sync::Arc;
use std::time::Duration;

use super::{Followed, Subject};
use crate::profile::Frame;
#[cfg(feature = "heap")]
use crate::source::Heap;
use crate::source::living;
use crate::watch::leak::{Change, Context, Detector, Leak as Finding, Settings};

/// The detectors, and what they are shown.
#[derive(Debug)]
pub(crate) struct Ledger {
    settings: Settings,
    #[cfg(feature = "heap")]
    heap: Option<(Arc<Heap>, Book)>,
    tasks: (living::Walked, Book),
    #[cfg(target_os = "linux")]
    threads: (living::Threads, Book),
    #[cfg(target_os = "linux")]
    descriptors: (living::Descriptors, Book),
    next: Duration,
}

/// One detector and what it saw.
#[derive(Debug)]
struct Book {
    subject: Subject,
    detector: Detector,
    living: u64,
    left_out: u64,
}

/// A finding, and the frames of its key, which may have to be named.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) subject: Subject,
    pub(crate) finding: Finding,
    pub(crate) frames: Vec<Frame>,
}

impl Ledger {
    /// Empty detectors, which judge `timescale` times as fast as by default.
    pub(crate) fn new(timescale: f64) -> Self {
        let counted = |subject| Book::new(subject, Settings::counted().timescale(timescale));
        Self {
            settings: Settings::sampled().timescale(timescale),
            #[cfg(feature = "heap")]
            heap: None,
            tasks: (living::Walked::default(), counted(Subject::Tasks)),
            #[cfg(target_os = "linux")]
            threads: (living::Threads::default(), counted(Subject::Threads)),
            #[cfg(target_os = "linux")]
            descriptors: (living::Descriptors::default(), counted(Subject::Descriptors)),
            next: Duration::ZERO,
        }
    }

    /// The same, which also looks at the samples of `heap`.
    #[cfg(feature = "heap")]
    pub(crate) fn with_heap(mut self, heap: Option<Arc<Heap>>) -> Self {
        let settings = self.settings.clone();
        self.heap = heap.map(|heap| (heap, Book::new(Subject::Heap, settings)));
        self
    }

    /// The same, which also looks at the tasks that nobody told us of.
    pub(crate) fn with_tasks(mut self, walked: living::Walked) -> Self {
        self.tasks.0 = walked;
        self
    }

    /// Whether it is time for another look at `now`.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Looks at everything. Returns whether a level has changed. `limit_in` is the time until memory ends, if that can
    /// be told.
    pub(crate) fn look(&mut self, now: Duration, limit_in: Option<Duration>) -> bool {
        self.next = now + self.settings.look_interval();
        let mut changes = Vec::new();
        #[cfg(feature = "heap")]
        if let Some((heap, book)) = &mut self.heap {
            changes.extend(book.look_at_heap(heap, now, &Context::limit_in(limit_in)));
        }
        #[cfg(not(feature = "heap"))]
        let _ = limit_in;
        let (walked, book) = &mut self.tasks;
        changes.extend(book.look_at_tasks(walked, now));
        #[cfg(target_os = "linux")]
        {
            let (threads, book) = &mut self.threads;
            changes.extend(book.look(now, |each| threads.visit(each)));
            let (descriptors, book) = &mut self.descriptors;
            changes.extend(book.look(now, |each| descriptors.visit(now, each)));
        }
        !changes.is_empty()
    }

    /// Every finding there is, with its frames.
    pub(crate) fn found(&self) -> Vec<Found> {
        self.books()
            .flat_map(|book| book.detector.findings().into_iter().map(|finding| self.found_in(book, finding)))
            .collect()
    }

    /// What stands and does not leak, the most first, at most `most`: amounts with frames.
    pub(crate) fn stable(&self, most: usize) -> Vec<(f64, Vec<Frame>)> {
        #[cfg(feature = "heap")]
        if let Some((heap, book)) = &self.heap {
            let mut stable: Vec<(u64, f64)> = book.detector.stable().collect();
            stable.sort_by(|a, b| b.1.total_cmp(&a.1));
            stable.truncate(most);
            return stable.into_iter().map(|(key, amount)| (amount, heap.frames(stack(key)))).collect();
        }
        let _ = most;
        Vec::new()
    }

    /// How much each detector has to do.
    pub(crate) fn followed(&self) -> Vec<Followed> {
        let followed = |book: &Book| Followed {
            subject: book.subject,
            living: book.living,
            keys: book.detector.tracked(),
            left_out: book.left_out,
            bytes: book.detector.size(),
        };
        self.books().map(followed).collect()
    }

    fn books(&self) -> impl Iterator<Item = &Book> {
        #[cfg(feature = "heap")]
        let heap = self.heap.as_ref().map(|(_, book)| book);
        #[cfg(not(feature = "heap"))]
        let heap: Option<&Book> = None;
        #[cfg(target_os = "linux")]
        let counted = [&self.tasks.1, &self.threads.1, &self.descriptors.1];
        #[cfg(not(target_os = "linux"))]
        let counted = [&self.tasks.1];
        heap.into_iter().chain(counted)
    }

    fn found_in(&self, book: &Book, finding: Finding) -> Found {
        let frames = match book.subject {
            #[cfg(feature = "heap")]
            Subject::Heap => {
                self.heap.as_ref().map(|(heap, _)| heap.frames(stack(finding.key))).unwrap_or_default()
            }
            Subject::Tasks if living::Walked::knows(finding.key) => self.tasks.0.frames(finding.key),
            Subject::Tasks => living::Tasks.frames(finding.key),
            #[cfg(target_os = "linux")]
            Subject::Threads => self.threads.0.frames(finding.key),
            #[cfg(target_os = "linux")]
            Subject::Descriptors => self.descriptors.0.frames(finding.key),
            #[allow(unreachable_patterns, reason = "what this build has nothing of")]
            _ => Vec::new(),
        };
        Found { subject: book.subject, finding, frames }
    }
}

impl Book {
    fn new(subject: Subject, settings: Settings) -> Self {
        Self { subject, detector: Detector::new(settings), living: 0, left_out: 0 }
    }

    /// Shows the detector all that `visit` hands over; it says how many it could not.
    fn look(
        &mut self,
        now: Duration,
        visit: impl FnOnce(&mut dyn FnMut(u64, Duration)) -> u64,
    ) -> Vec<Change> {
        let mut look = self.detector.look(now);
        let mut living = 0;
        let unseen = visit(&mut |key, age| {
            living += 1;
            look.see(key, age, 1.0, 1.0);
        });
        let changes = look.end(&Context::default(), |_| 0.0);
        self.living = living;
        self.left_out = self.detector.untracked().saturating_add(unseen);
        changes
    }

    fn look_at_tasks(&mut self, walked: &mut living::Walked, now: Duration) -> Vec<Change> {
        let mut look = self.detector.look(now);
        let mut living = 0;
        let mut see = |key, age| {
            living += 1;
            look.see(key, age, 1.0, 1.0);
        };
        if !walked.visit(now, &mut see) {
            // As with the heap: what is missing would look as if it had died.
            return Vec::new();
        }
        living::Tasks.visit(see);
        let changes = look.end(&Context::default(), |_| 0.0);
        self.living = living;
        self.left_out = self.detector.untracked();
        changes
    }

    #[cfg(feature = "heap")]
    fn look_at_heap(&mut self, heap: &Heap, now: Duration, context: &Context) -> Vec<Change> {
        let mut look = self.detector.look(now);
        let mut living = 0;
        let complete = heap.visit(|sample| {
            living += 1;
            let amount = sample.bytes as f64 * sample.weight;
            look.see(u64::from(sample.stack), sample.age, amount, sample.weight);
        });
        if !complete {
            // What is missing would look as if it had died. The next look covers this minute, too.
            return Vec::new();
        }
        heap.samples().for_each(|(stack, count)| look.allocated(u64::from(stack), count));
        let changes = look.end(context, |_| 0.0);
        self.living = living;
        self.left_out = self.detector.untracked();
        changes
    }
}

#[cfg(feature = "heap")]
fn stack(key: u64) -> u32 {
    u32::try_from(key).unwrap_or(u32::MAX)
}
