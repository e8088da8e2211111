//! Stands for hyper: it spawns a task for each connection, and has never heard of flamewatch.

use tokio::sync::watch;

pub(super) const FILE: &str = file!();

/// The line that spawns.
pub(super) const CONNECTION: u32 = line!() + 14;

/// Keeps its connections open until it is dropped.
#[derive(Debug)]
pub(super) struct Server(
    #[expect(dead_code, reason = "its end is what the connections wait for")] watch::Sender<()>,
);

impl Server {
    /// Within a runtime.
    pub(super) fn serve(connections: usize) -> Self {
        let (open, closed) = watch::channel(());
        for _ in 0..connections {
            let mut closed = closed.clone();
            tokio::spawn(async move { while closed.changed().await.is_ok() {} });
        }
        Self(open)
    }
}
