//! What one task waits for, from bytes that were the same twice while the task stood still.

use super::awaits::{NO_ARM, Placed, Step};
use super::layout::Layout;
use super::state::{Doing, State};
use super::view::{Copied, word_at};
use super::visit::Look;
use super::{Future, TypeId};
use crate::sys::memory::{Piece, Reader};

/// How much of a task is read in one piece when a walk has not read it for its size. What is behind is read when it is needed.
const LARGE: usize = 8_192;

/// What the tag of a task says that has its future still.
const HAS_FUTURE: u8 = 0;

/// Room for one task, kept for the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    first: Vec<u8>,
    second: Vec<u8>,
    still: Vec<u8>,
    again: Vec<Step>,
}

/// Who knows what a task's bytes mean.
#[derive(Clone, Copy)]
pub(super) struct Follower<'w> {
    pub(super) memory: &'w Reader,
    pub(super) layout: &'w Layout,
    pub(super) placed: &'w Placed,
}

impl Follower<'_> {
    /// Fills `chain` with what the task waits for; false when that could not be told, and then it is its future alone.
    pub(super) fn follow(
        &self,
        look: &Look<'_>,
        future: Future,
        chain: &mut Vec<Step>,
        room: &mut Room,
    ) -> bool {
        let settled = matches!(look.task.state.doing(), Doing::Idle | Doing::Scheduled);
        let places = future.tag.zip(future.at).filter(|_| settled);
        let whole = places.map(|places| self.chain(look, future.of_type, places, chain, room));
        if whole != Some(true) {
            chain.clear();
            chain.push(Step { of_type: future.of_type, arm: NO_ARM });
        }
        whole != Some(false)
    }

    fn chain(
        &self,
        look: &Look<'_>,
        of_type: TypeId,
        (tag, at): (u64, u64),
        chain: &mut Vec<Step>,
        room: &mut Room,
    ) -> bool {
        let Room { first, second, still, again } = room;
        let header = look.task.header;
        let is_large = look.first.is_empty();
        let (first, second) = if is_large {
            let length = to_length(look.table.trailer).min(LARGE);
            if !(self.read(header, length, first) && self.read(header, length, second)) {
                return false;
            }
            (first.as_slice(), second.as_slice())
        } else {
            (look.first, look.second)
        };
        let place = header.wrapping_add(at);
        let copy = Copied::new(header, first, self.memory);
        if !self.placed.chain(&copy, place, of_type, chain) {
            return false;
        }
        // From the tag on: a task whose future is over has its output there, also when its memory was given back.
        let inside = to_length(tag)..;
        let has_future =
            |bytes: &[u8]| bytes.get(inside.clone()).and_then(<[u8]>::first) == Some(&HAS_FUTURE);
        if !(has_future(first) && has_future(second)) {
            return false;
        }
        let is_alike = !copy.was_left() && first.get(inside.clone()) == second.get(inside.clone());
        let is_same = is_alike || {
            let copy = Copied::new(header, second, self.memory);
            self.placed.chain(&copy, place, of_type, again) && chain == again
        };
        // What was read later than the task's state may be another's by then, or of one that was polled meanwhile.
        let is_whole = !is_large && !copy.was_left();
        is_same
            && (is_whole
                || self.read(header, second.len(), still)
                    && still.get(inside.clone()) == second.get(inside)
                    && word_at(still, to_length(look.table.id)) == look.task.id
                    && State::new(word_at(still, self.layout.state)).doing() == look.task.state.doing())
    }

    fn read(&self, at: u64, length: usize, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        bytes.resize(length, 0);
        let mut pieces = [Piece::new(at, bytes)];
        self.memory.read(&mut pieces);
        let [Piece { read, .. }] = pieces;
        read
    }
}

/// An offset in a task; one that is none is beyond all bytes.
fn to_length(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
