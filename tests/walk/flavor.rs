//! Runtimes of each flavor, and all of their workers blocked at once.

use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A kind of runtime, and how many workers it has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread(usize),
}

impl Flavor {
    pub(crate) const ALL: [Self; 3] = [Self::MultiThread(2), Self::MultiThread(5), Self::CurrentThread];

    pub(crate) fn name(self) -> String {
        match self {
            Self::CurrentThread => "current_thread".to_owned(),
            Self::MultiThread(workers) => format!("multi_thread {workers}"),
        }
    }

    fn workers(self) -> usize {
        match self {
            Self::CurrentThread => 1,
            Self::MultiThread(workers) => workers,
        }
    }
}

/// A runtime that runs on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) handle: Handle,
    workers: usize,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(flavor: Flavor) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = match flavor {
                Flavor::CurrentThread => Builder::new_current_thread().enable_time().build(),
                Flavor::MultiThread(workers) => {
                    Builder::new_multi_thread().worker_threads(workers).enable_time().build()
                }
            }
            .expect("a runtime");
            tell.send(runtime.handle().clone()).expect("somebody who waits");
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        });
        let handle = told.recv().expect("a runtime");
        Self { handle, workers: flavor.workers(), stop: Some(stop), thread: Some(thread) }
    }

    /// Blocks every worker while `work` runs, which is told the ids of the tasks that do.
    pub(crate) fn blocked<T>(&self, work: impl FnOnce(&[u64]) -> T) -> T {
        let (begun, done) =
            (Arc::new(Barrier::new(self.workers + 1)), Arc::new(Barrier::new(self.workers + 1)));
        let blockers: Vec<_> = (0..self.workers)
            .map(|_| {
                let (begun, done) = (Arc::clone(&begun), Arc::clone(&done));
                self.handle.spawn(async move {
                    begun.wait();
                    done.wait();
                })
            })
            .collect();
        begun.wait();
        let result = work(&blockers.iter().map(crate::zoo::number).collect::<Vec<_>>());
        done.wait();
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
