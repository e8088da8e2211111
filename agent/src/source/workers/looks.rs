//! All threads, looked at twice: who sleeps where it slept is not busy but blocked, or waits for work.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use crate::context;
use crate::profile::{Frame, Profile, Stack};
use crate::source::{Source, ThreadStacks, Window};

/// Every thread that was there both times, `pause` apart, as it was the second time, with the label `moved`.
///
/// # Errors
/// When the threads cannot be listed.
pub(crate) fn look_twice(pause: Duration) -> Result<Profile, crate::Error> {
    let source = ThreadStacks::new().labeled(context::labels);
    let first = source.collect(&Window::now())?;
    thread::sleep(pause);
    Ok(compare(&first, &source.collect(&Window::now())?))
}

fn compare(first: &Profile, second: &Profile) -> Profile {
    let before: HashMap<&str, Vec<&Frame>> =
        first.iter().filter_map(|stack| Some((label(&stack, "tid")?, addresses(&stack)))).collect();
    let mut both = Profile::new("workers", second.values().to_vec());
    both.losses = second.losses.clone();
    for stack in second.iter() {
        let Some(was) = label(&stack, "tid").and_then(|thread| before.get(thread)) else { continue };
        let is = addresses(&stack);
        // A tight loop is at the same address more often than not, whether it is one poll or many.
        let runs = label(&stack, "state") == Some("running");
        let moved = if !runs && !is.is_empty() && is == *was { "no" } else { "yes" };
        both.add(stack.frames().cloned().chain([Frame::label("moved", moved)]), &[1], 0);
    }
    both
}

/// Where a thread is, without what the labels say.
fn addresses<'profile>(stack: &Stack<'profile>) -> Vec<&'profile Frame> {
    stack.frames().filter(|frame| matches!(frame, Frame::Address(_))).collect()
}

/// The label `wanted` of a stack.
pub(super) fn label<'profile>(stack: &Stack<'profile>, wanted: &str) -> Option<&'profile str> {
    stack.frames().find_map(|frame| match frame {
        Frame::Label { key, value } if key == wanted => Some(&**value),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Addr, Unit, ValueType};

    #[test]
    fn a_thread_has_moved_when_its_stack_is_another() {
        let threads = |stacks: &[(&str, &[u64])]| {
            let mut profile = Profile::new("threads", [ValueType::new("threads", Unit::Count)]);
            for (thread, addresses) in stacks {
                let frames = addresses.iter().map(|address| Frame::Address(Addr::Return(*address)));
                let state = if *thread == "4" { "running" } else { "sleeping" };
                profile.add(
                    frames.chain([Frame::label("tid", *thread), Frame::label("state", state)]),
                    &[1],
                    0,
                );
            }
            profile
        };
        let first = threads(&[("1", &[10, 20]), ("2", &[10, 20]), ("3", &[]), ("4", &[10])]);
        let second = threads(&[("1", &[10, 20]), ("2", &[11, 20]), ("3", &[]), ("4", &[10]), ("5", &[10])]);
        let both = compare(&first, &second);
        let moved: Vec<_> =
            both.iter().filter_map(|stack| Some((label(&stack, "tid")?, label(&stack, "moved")?))).collect();
        assert_eq!(moved, [("1", "no"), ("2", "yes"), ("3", "yes"), ("4", "yes")]);
    }
}
