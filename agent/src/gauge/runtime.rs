//! What the service's runtimes say of themselves, on every build of tokio.

use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeMetrics};

use super::Gauge;
use crate::Unit;
use crate::spawn::runtimes;

/// Which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Workers,
    Queue,
    Busy,
    Parks,
}

/// One number of all runtimes that are known: `tokio.workers`, `tokio.queue`, `tokio.busy` or `tokio.parks`.
#[derive(Clone, Debug)]
pub struct Runtime {
    main: Option<Handle>,
    what: What,
    last: Option<(Instant, f64)>,
}

impl Runtime {
    /// All of them. `main` is the runtime that the agent is started in, if there is one; the others are those of
    /// [`watch_runtime`](crate::watch_runtime).
    #[must_use]
    pub fn all(main: Option<&Handle>) -> Vec<Self> {
        let of = |what| Self { main: main.cloned(), what, last: None };
        [What::Workers, What::Queue, What::Busy, What::Parks].map(of).into()
    }

    fn sum(&self, of: impl Fn(&RuntimeMetrics) -> f64) -> f64 {
        runtimes(self.main.as_ref()).iter().map(|runtime| of(&runtime.handle.metrics())).sum()
    }

    /// How much more of `total` there is now, a second.
    fn rate(&mut self, now: Instant, total: f64) -> f64 {
        let Some((before, last)) = self.last.replace((now, total)) else { return 0.0 };
        let seconds = now.saturating_duration_since(before).as_secs_f64();
        // Less than before: a runtime is gone.
        if seconds > 0.0 { ((total - last) / seconds).max(0.0) } else { 0.0 }
    }
}

impl Gauge for Runtime {
    fn name(&self) -> &'static str {
        match self.what {
            What::Workers => "tokio.workers",
            What::Queue => "tokio.queue",
            What::Busy => "tokio.busy",
            What::Parks => "tokio.parks",
        }
    }

    fn unit(&self) -> Unit {
        if self.what == What::Busy { Unit::Ratio } else { Unit::Count }
    }

    fn read(&mut self) -> io::Result<f64> {
        let workers = self.sum(|metrics| metrics.num_workers() as f64);
        Ok(match self.what {
            What::Workers => workers,
            What::Queue => self.sum(|metrics| metrics.global_queue_depth() as f64),
            What::Busy => {
                let busy = self.sum(|metrics| busy_of(metrics).as_secs_f64());
                self.rate(Instant::now(), busy) / workers.max(1.0)
            }
            What::Parks => {
                let parks = self.sum(|metrics| parks_of(metrics) as f64);
                self.rate(Instant::now(), parks)
            }
        })
    }

    fn evidence(&self) -> Option<&'static str> {
        match self.what {
            What::Queue | What::Busy => Some("profile"),
            What::Workers | What::Parks => None,
        }
    }
}

fn busy_of(metrics: &RuntimeMetrics) -> Duration {
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum()
}

fn parks_of(metrics: &RuntimeMetrics) -> u64 {
    (0..metrics.num_workers()).map(|worker| metrics.worker_park_count(worker)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_worker_is_told_from_an_idle_one() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        let mut gauges = Runtime::all(Some(runtime.handle()));
        let mut read =
            || -> Vec<f64> { gauges.iter_mut().map(|gauge| gauge.read().expect("a number")).collect() };
        assert!(read()[0] >= 2.0);
        let work = async {
            let end = Instant::now() + Duration::from_millis(40);
            while Instant::now() < end {}
        };
        runtime.block_on(runtime.spawn(work)).expect("worked");
        std::thread::sleep(Duration::from_millis(10));
        let (now, later) = (read(), read());
        assert!(now[2] > 0.0 && now[3] > 0.0, "{now:?}");
        assert!(later[1] >= 0.0 && later[2] <= 2.0, "{later:?}");
    }

    #[test]
    fn a_rate_is_what_came_since_the_last_time() {
        let mut gauge = Runtime { main: None, what: What::Parks, last: None };
        let start = Instant::now();
        let rates = [(0, 100.0), (2, 300.0), (2, 300.0), (4, 100.0)]
            .map(|(second, total)| gauge.rate(start + Duration::from_secs(second), total));
        assert_eq!(rates, [0.0, 100.0, 0.0, 0.0]);
    }
}
