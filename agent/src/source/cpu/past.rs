//! What the CPU was doing before anybody asked: a slow window that never ends, cut into pieces of which the last are
//! kept. Bounded: a piece keeps [`MAX_ADDRESSES`] addresses, 0.8 MB, so that 5 minutes take 24 MB at the most. 19 Hz on
//! two busy cores bring 380 stacks in its time, most of them more than once: 2 MB.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engine::{Choice, Means};
use super::recording::{Recording, joined};
use super::stream;
use crate::{Error, ErrorKind};

/// How long a piece is.
const PIECE: Duration = Duration::from_secs(10);

/// The most addresses of a piece, all stacks together; the lightest stacks beyond are dropped and counted.
const MAX_ADDRESSES: usize = 100_000;

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
        let mut reader = stream::open(kind, &choice.why, hertz)?;
        let pieces = Arc::<Mutex<VecDeque<_>>>::default();
        let (ends, ended) = channel();
        let (kept, why) = (pieces.clone(), choice.why.clone());
        let body = move || {
            crate::sys::thread::withdraw();
            while ended.recv_timeout(PIECE) == Err(RecvTimeoutError::Timeout) {
                match reader.rotate() {
                    Ok(recording) => keep_piece(recording, &kept, keep),
                    // A stream that is gone is opened anew; one that cannot be costs a piece.
                    Err(_) => reader = stream::open(kind, &why, hertz).unwrap_or(reader),
                }
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
        drop(pieces);
        joined(parts).ok_or_else(|| {
            let context = format!("nothing is kept yet; the first {} s end soon", PIECE.as_secs());
            Error::new(ErrorKind::Busy, context)
        })
    }
}

fn keep_piece(mut recording: Recording, pieces: &Mutex<VecDeque<(Instant, Recording)>>, keep: Duration) {
    recording.cut_to(MAX_ADDRESSES);
    let now = Instant::now();
    let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
    pieces.push_back((now, recording));
    while pieces.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > keep) {
        pieces.pop_front();
    }
}
