//! What tokio's runtime tells of itself in a build without `tokio_unstable`.

use tokio::runtime::Handle;

use crate::figure::Family;

/// The numbers of the runtime behind `handle`.
pub(super) fn families(handle: &Handle) -> Vec<Family> {
    let metrics = handle.metrics();
    let mut busy = Family::counter("tokio_worker_busy_seconds_total", "Time that a worker ran tasks.");
    let mut parks =
        Family::counter("tokio_worker_parks_total", "How often a worker ran out of tasks and slept.");
    for worker in 0..metrics.num_workers() {
        let label = worker.to_string();
        busy = busy.with([("worker", &label)], metrics.worker_total_busy_duration(worker).as_secs_f64());
        parks = parks.with([("worker", &label)], metrics.worker_park_count(worker) as f64);
    }
    vec![
        Family::gauge("tokio_workers", "Worker threads of the runtime.").of(metrics.num_workers() as f64),
        Family::gauge("tokio_alive_tasks", "Tasks alive in the runtime, whoever spawned them.")
            .of(metrics.num_alive_tasks() as f64),
        Family::gauge("tokio_global_queue_depth", "Tasks that wait in the queue of all workers.")
            .of(metrics.global_queue_depth() as f64),
        busy,
        parks,
    ]
}
