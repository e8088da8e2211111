//! What threads share without a lock, in every order in which they can meet. Each is the file that services run, with
//! loom's atomics instead of core's.
#![cfg(test)]

mod samples;
mod slots;

/// Every interleaving with up to three switches that no thread asked for; more find nothing new and take hours.
fn model(work: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 20_000;
    builder.check(work);
}
