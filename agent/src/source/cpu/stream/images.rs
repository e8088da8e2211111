//! Takes up libraries that are loaded or unloaded while somebody samples. On a thread of its own: the list of images is
//! behind the loader's lock, which a service that loads libraries all the time hardly lets go of, and the stream must not
//! wait for it.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::sys::sampler;

/// A library's functions have no names of their own on stacks for so long at most.
const EVERY: Duration = Duration::from_millis(500);

/// Looks for new images until it is dropped.
#[derive(Debug)]
pub(super) struct Images {
    _ends: Option<Sender<()>>,
}

impl Images {
    /// Begins to look. Where no thread can be had, the images stay those of the beginning.
    pub(super) fn watch() -> Self {
        let (ends, ended) = channel::<()>();
        let body = move || {
            crate::sys::thread::withdraw();
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                sampler::refresh();
            }
        };
        let started = std::thread::Builder::new().name("flamewatch-images".to_owned()).spawn(body);
        Self { _ends: started.is_ok().then_some(ends) }
    }
}
