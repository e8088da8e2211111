//! Which thread is the worker that stands still, and whether it is blocked: told by the functions on the stacks. tokio
//! tells on stable which worker it is, and not which thread. Pure.

use super::looks::label;
use crate::profile::{Frame, Profile, Stack, owner};

/// What the stacks of the moment say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Threads in the middle of a task that sleep in one place or compute all the time, and the function to look at.
    Blocked(Vec<Vec<Frame>>, String),
    /// Workers were in the middle of tasks, but each in another place at the second look: long polls, one after the
    /// other.
    Saturated,
    /// No thread was seen at work: it was over before the look, the runtime is run by nobody, or functions have no
    /// names.
    Unseen,
}

/// The functions in which tokio's schedulers run a task or, on one thread, what is awaited in `block_on`.
const AT_WORK: [&str; 3] = [
    "scheduler::multi_thread::worker::Context::run_task",
    "scheduler::current_thread::Context::run_task",
    "scheduler::current_thread::CoreGuard::block_on",
];

/// In these a thread waits for work, or has handed its worker on to another thread because it is going to block.
const NOT_AT_WORK: [&str; 4] = [
    "scheduler::multi_thread::worker::Context::park",
    "scheduler::current_thread::Context::park",
    "scheduler::multi_thread::worker::block_in_place",
    "scheduler::block_in_place",
];

/// What the named stacks of all threads, looked at twice, say of a worker that stands still. `in_one_poll` tasks are known
/// to have been in the same poll all the time: then a stack that has moved is that of a long computation.
pub(crate) fn judge(named: &Profile, in_one_poll: bool) -> Verdict {
    let at_work: Vec<Stack<'_>> = named.iter().filter(is_at_work).collect();
    let blocked: Vec<&Stack<'_>> =
        at_work.iter().filter(|stack| label(stack, "moved") == Some("no")).collect();
    let blocked = if blocked.is_empty() && in_one_poll { at_work.iter().collect() } else { blocked };
    match (blocked.first(), at_work.is_empty()) {
        (Some(first), _) => {
            Verdict::Blocked(blocked.iter().map(|stack| frames(stack)).collect(), suspect(first))
        }
        (None, false) => Verdict::Saturated,
        (None, true) => Verdict::Unseen,
    }
}

fn is_at_work(stack: &Stack<'_>) -> bool {
    let is_in = |places: &[&str]| {
        stack.frames().any(|frame| match frame {
            // One way of mangling has `<…::Context>::run_task`.
            Frame::Named(function) => {
                let name = function.name.replace(['<', '>'], "");
                places.iter().any(|place| name.contains(place))
            }
            _ => false,
        })
    };
    is_in(&AT_WORK) && !is_in(&NOT_AT_WORK)
}

/// The stack without what only this look is about.
fn frames(stack: &Stack<'_>) -> Vec<Frame> {
    let is_ours = |frame: &&Frame| !matches!(frame, Frame::Label { key, .. } if matches!(&**key, "moved" | "tid" | "cpu" | "state"));
    stack.frames().filter(is_ours).cloned().collect()
}

/// The user's own nearest function, and where it is.
fn suspect(stack: &Stack<'_>) -> String {
    match owner::suspect(stack) {
        Some(function) => {
            let place = function.short_place().map(|place| format!(" ({place})")).unwrap_or_default();
            format!("{}{place}", function.name)
        }
        None => "a function without a name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Function, Unit, ValueType};

    /// Threads as `moved:leaf<…<root`; `w` stands for tokio's running of a task, `p` for its parking.
    #[track_caller]
    fn check(threads: &[&str], expected: &str) {
        let mut named = Profile::new("workers", [ValueType::new("threads", Unit::Count)]);
        for thread in threads {
            let (moved, names) = thread.split_once(':').expect("moved");
            let frames = names.split('<').map(|name| {
                let name = match name {
                    "w" => "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
                    "p" => "tokio::runtime::scheduler::multi_thread::worker::Context::park_internal",
                    "c" => "tokio::runtime::scheduler::current_thread::CoreGuard::block_on::{{closure}}",
                    "b" => "tokio::runtime::scheduler::multi_thread::worker::block_in_place",
                    name => name,
                };
                let file = if name.starts_with("shop::") { "shop/src/main.rs" } else { "" };
                Frame::named(Function::new(name, file, 0))
            });
            named.add(frames.chain([Frame::label("moved", moved)]), &[1], 0);
        }
        let said = match judge(&named, expected.ends_with('!')) {
            Verdict::Blocked(stacks, suspect) => {
                let long = if expected.ends_with('!') { "!" } else { "" };
                format!("{} in {}{long}", stacks.len(), suspect.trim_end_matches(" (shop/src/main.rs)"))
            }
            Verdict::Saturated => "saturated".to_owned(),
            Verdict::Unseen => "unseen".to_owned(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn who_does_not_move_in_the_middle_of_a_task_is_blocked() {
        check(&["no:nanosleep<shop::read<w", "no:epoll_wait<p", "no:read<shop::other"], "1 in shop::read");
        check(&["no:nanosleep<shop::read<w", "yes:shop::compute<w"], "1 in shop::read");
        check(&["no:futex<shop::lock<w", "no:futex<shop::wait<c"], "2 in shop::lock");
        check(&["yes:shop::compute<w", "no:epoll_wait<p"], "saturated");
        check(&["yes:shop::compute<w", "no:epoll_wait<p"], "1 in shop::compute!");
        check(&["no:nanosleep<shop::read<b<w", "no:epoll_wait<p"], "unseen");
        check(&["no:0x7f00<0x7f10"], "unseen");
        check(&[], "unseen");
    }
}
