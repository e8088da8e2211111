//! A poll in which a task tells where it waits. Runs on the service's threads: it waits for nobody and cannot fail.

use std::sync::Arc;
use std::task::Waker;

use super::super::slab::Slot;
use super::tables::Tables;
use crate::sys::teller::{Lent, Teller};

/// The answer of the task of one slot, given by the poll that is under way. Dropped, it is given: also by a panic.
#[derive(Debug)]
pub(in crate::spawn) struct Answer<'poll> {
    slot: &'static Slot,
    tables: Arc<Tables>,
    teller: Teller<'poll>,
}

impl<'poll> Answer<'poll> {
    /// Begins an answer; `None` when nobody wants to know any more.
    #[cold]
    pub(in crate::spawn) fn begin(slot: &'static Slot, waker: &'poll Waker) -> Option<Self> {
        match Tables::current() {
            Some(tables) => Some(Self { slot, tables, teller: Teller::new(waker) }),
            None => {
                slot.waker().answered();
                None
            }
        }
    }

    /// The waker to poll with.
    pub(in crate::spawn) fn listen(&self) -> Lent<'_> {
        self.teller.lend()
    }

    /// The poll is over: the task waits, or it has ended.
    #[cold]
    pub(in crate::spawn) fn end(&self, pending: bool) {
        match self.slot.read() {
            Some(row) if pending => self.tables.add(&row, self.teller.told()),
            _ => self.tables.ended(),
        }
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        // Last: who asked reads the tables once this is seen.
        self.slot.waker().answered();
    }
}
