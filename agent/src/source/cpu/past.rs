//! What the CPU was doing before anybody asked: a slow window that never ends, cut into pieces of which the last are
//! kept. Bounded: a piece keeps [`MAX_STACKS`] stacks, which is what 19 Hz on 10 busy cores can bring in its time, and
//! of those 5 minutes take 30 times 2,000 stacks of 400 bytes at the most, 24 MB; a service with two busy cores takes 2.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engine::{Choice, Means};
use super::recording::{Recording, joined};
use super::stream::{self, Reader};
use crate::{Error, ErrorKind};

/// How long a piece is.
const PIECE: Duration = Duration::from_secs(10);

/// The most stacks of a piece; the lightest beyond are dropped and counted.
const MAX_STACKS: usize = 2_000;

/// The last minutes. Dropping it ends the sampling.
#[derive(Debug)]
pub(super) struct Past {
    pieces: Arc<Mutex<VecDeque<(Instant, Recording)>>>,
    _ends: Sender<()>,
}

impl Past {
    /// Begins to sample at `hertz` and to keep the last `keep`; `None` without a rate.
    ///
    /// # Errors
    /// As of the stream; `Unsupported` for an engine that has none.
    pub(super) fn begin(choice: &Choice, hertz: Option<u32>, keep: Duration) -> Result<Option<Self>, Error> {
        let Some(hertz) = hertz else { return Ok(None) };
        #[allow(clippy::infallible_destructuring_match, reason = "with the feature `pprof` there are two")]
        let kind = match choice.means {
            Means::Ticker(kind) => kind,
            #[cfg(feature = "pprof")]
            Means::PprofCrate => {
                let context = "the engine `pprof` cannot sample all the time; use `timers`";
                return Err(Error::new(ErrorKind::Unsupported, context));
            }
        };
        let reader = stream::open(kind, &choice.why, hertz)?;
        let pieces = Arc::<Mutex<VecDeque<_>>>::default();
        let (ends, ended) = channel();
        let kept = pieces.clone();
        let body = move || {
            crate::sys::thread::withdraw();
            while ended.recv_timeout(PIECE) == Err(RecvTimeoutError::Timeout) {
                keep_piece(&reader, &kept, keep);
            }
        };
        std::thread::Builder::new().name("flamewatch-past".to_owned()).spawn(body).map_err(|error| {
            Error::new(ErrorKind::Io, "cannot start the thread that keeps the past").because(error)
        })?;
        Ok(Some(Self { pieces, _ends: ends }))
    }

    /// What was sampled in the last `length`, to a piece.
    pub(super) fn last(&self, length: Duration) -> Result<Recording, Error> {
        let now = Instant::now();
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = pieces.iter().filter(|(at, _)| now.saturating_duration_since(*at) < length);
        let parts = recent.map(|(_, recording)| recording.clone()).collect();
        joined(parts).ok_or_else(|| {
            let context = format!("nothing is kept yet; the first {} s end soon", PIECE.as_secs());
            Error::new(ErrorKind::Busy, context)
        })
    }
}

fn keep_piece(reader: &Reader, pieces: &Mutex<VecDeque<(Instant, Recording)>>, keep: Duration) {
    // A stream that does not answer costs a piece.
    let Ok(mut recording) = reader.rotate() else { return };
    if recording.samples.len() > MAX_STACKS {
        recording.samples.sort_by_key(|sample| std::cmp::Reverse(sample.weight.ns));
        let cut = recording.samples.split_off(MAX_STACKS);
        recording.losses.dropped += cut.iter().map(|sample| sample.weight.taken).sum::<u64>();
    }
    let now = Instant::now();
    let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
    pieces.push_back((now, recording));
    while pieces.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > keep) {
        pieces.pop_front();
    }
}
