//! Workers of the service's runtimes that were blocked: the `workers` profile. It keeps what the agent's watchdog has
//! found, with the stacks of that moment: when somebody asks, the moment is over.

mod looks;
mod verdict;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Source, Window, every_one};
use crate::Error;
use crate::profile::{Frame, Profile, Unit, ValueType};

pub(crate) use looks::look_twice;
pub(crate) use verdict::{Verdict, judge};

/// The most blocks that are kept; of earlier ones the count remains. A block of one stack with 60 frames takes 4 KB.
const MAX_KEPT: usize = 64;

/// One time that a worker was blocked.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Which block, counted from the first.
    pub(crate) number: u64,
    pub(crate) runtime: Arc<str>,
    pub(crate) worker: usize,
    /// When it was found, since the start of the agent.
    pub(crate) at: Duration,
    /// How long it has lasted, as far as is known.
    pub(crate) lasted: Duration,
    /// What the thread did, named; more than one where several workers were blocked at that moment.
    pub(crate) stacks: Vec<Vec<Frame>>,
    /// The function to look at, and where it is.
    pub(crate) suspect: String,
}

/// All that is known of blocked workers.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    blocks: VecDeque<Block>,
    total: u64,
    /// Times that workers only had long polls, one after the other.
    saturated: u64,
    /// Times that no thread was seen at work for the worker.
    unseen: u64,
    /// Blocks since the gauge was read.
    news: u64,
    /// Workers that are blocked now, by the numbers of their blocks.
    open: Vec<u64>,
}

impl Blocks {
    /// Writes down what was found; gives back the block's number if it is one.
    pub(crate) fn add(&self, block: Block, verdict: Verdict) -> Option<u64> {
        let mut log = self.log();
        match verdict {
            Verdict::Blocked(stacks, suspect) => {
                log.total += 1;
                log.news += 1;
                let number = log.total;
                log.open.push(number);
                if log.blocks.len() >= MAX_KEPT {
                    log.blocks.pop_front();
                }
                log.blocks.push_back(Block { number, stacks, suspect, ..block });
                Some(number)
            }
            Verdict::Saturated => {
                log.saturated += 1;
                None
            }
            Verdict::Unseen => {
                log.unseen += 1;
                None
            }
        }
    }

    /// Block `number` has lasted so long by now; it is `over`, or not.
    pub(crate) fn lasts(&self, number: u64, lasted: Duration, over: bool) {
        let mut log = self.log();
        if let Some(block) = log.blocks.iter_mut().find(|block| block.number == number) {
            block.lasted = lasted;
        }
        if over {
            log.open.retain(|open| *open != number);
        }
    }

    /// How many workers are blocked, or were since this was asked last.
    pub(crate) fn news(&self) -> u64 {
        let mut log = self.log();
        let open = log.open.len() as u64;
        std::mem::take(&mut log.news).max(open)
    }

    /// For the index page.
    pub(crate) fn status(&self, now: Duration) -> String {
        let log = self.log();
        let mut text = match log.blocks.back() {
            None => "none".to_owned(),
            Some(last) => {
                let ago = now.saturating_sub(last.at).as_secs();
                format!(
                    "{}; the last: worker {} of {} for {:.1} s in {}, {ago} s ago",
                    log.total,
                    last.worker,
                    last.runtime,
                    last.lasted.as_secs_f64(),
                    last.suspect
                )
            }
        };
        if log.saturated > 0 {
            text.push_str(&format!(
                "; {} times busy with long polls, or with one that computes",
                log.saturated
            ));
        }
        if log.unseen > 0 {
            text.push_str(&format!("; {} times no thread was seen at work", log.unseen));
        }
        text
    }

    fn profile(&self) -> Profile {
        let values = [ValueType::new("blocks", Unit::Count), ValueType::new("blocked", Unit::Nanoseconds)];
        let mut profile = Profile::new("workers", values);
        profile.period = every_one(&profile);
        let log = self.log();
        for block in &log.blocks {
            let lasted = i64::try_from(block.lasted.as_nanos()).unwrap_or(i64::MAX);
            for stack in &block.stacks {
                let labels = [
                    Frame::label("worker", block.worker.to_string()),
                    Frame::label("runtime", block.runtime.clone()),
                ];
                profile.add(stack.iter().cloned().chain(labels), &[1, lasted], 0);
            }
        }
        profile.losses.dropped = log.total.saturating_sub(log.blocks.len() as u64);
        profile.comments.push(format!("{} times a worker was blocked since the start", log.total));
        profile
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stacks of workers that were blocked, with how often and for how long.
#[derive(Debug)]
pub(crate) struct Workers(Arc<Blocks>);

impl Workers {
    /// Those that `blocks` tells of.
    pub(crate) const fn new(blocks: Arc<Blocks>) -> Self {
        Self(blocks)
    }
}

impl Source for Workers {
    fn name(&self) -> &'static str {
        "workers"
    }

    fn about(&self) -> &'static str {
        "Workers of the runtime that were blocked, as they stood at that moment: how often and for how long. Costs nothing to ask."
    }

    fn count(&self) -> Option<u64> {
        Some(self.0.log().total)
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        Ok(self.0.profile())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Function;

    fn block(worker: usize) -> Block {
        let (at, lasted) = (Duration::from_secs(1), Duration::from_millis(500));
        Block {
            number: 0,
            runtime: "main".into(),
            worker,
            at,
            lasted,
            stacks: Vec::new(),
            suspect: String::new(),
        }
    }

    fn blocked() -> Verdict {
        let stack = vec![Frame::named(Function::new("shop::read", "shop.rs", 7))];
        Verdict::Blocked(vec![stack], "shop::read (shop.rs:7)".to_owned())
    }

    #[test]
    fn a_block_counts_until_it_is_over_and_at_least_once() {
        let blocks = Blocks::default();
        assert_eq!((blocks.news(), blocks.status(Duration::ZERO)), (0, "none".to_owned()));
        let number = blocks.add(block(1), blocked()).expect("a block");
        assert_eq!([blocks.news(), blocks.news()], [1, 1]);
        blocks.lasts(number, Duration::from_millis(900), true);
        assert_eq!(blocks.news(), 0);
        let short = blocks.add(block(0), blocked()).expect("a block");
        blocks.lasts(short, Duration::from_millis(600), true);
        assert_eq!([blocks.news(), blocks.news()], [1, 0]);
        let profile = Workers::new(Arc::new(blocks)).collect(&Window::now()).expect("a profile");
        assert_eq!((profile.len(), profile.total(0), profile.total(1)), (2, 2, 1_500_000_000));
    }

    #[test]
    fn the_page_says_where_and_for_how_long() {
        let blocks = Blocks::default();
        blocks.add(block(1), blocked());
        assert_eq!(blocks.add(block(1), Verdict::Saturated), None);
        assert_eq!(
            blocks.status(Duration::from_secs(4)),
            "1; the last: worker 1 of main for 0.5 s in shop::read (shop.rs:7), 3 s ago; 1 times busy with \
             long polls, or with one that computes"
        );
    }
}
