//! What a thread is working on, as labels: which task, which route, which span, which scope. A *tag* is a number that
//! stands for a set of such labels; it is all that the thread carries (`sys::tag`), so that a signal handler and an
//! allocation hook can note it down, and all that a sample keeps. This room knows what a tag means.

mod scope;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use crate::intern::{Interner, hash};
use crate::sys;

pub use scope::{InScope, Scope, scope};

/// The most sets of labels. 16,384 sets of 20 bytes and 32,768 numbers that find them are 448 KB; the numbers' 128 KB
/// are taken with the first label.
const MAX_SETS: usize = 16_384;

/// The most different values of labels. 8,192 values of at most 168 bytes and 16,384 numbers that find them are 1.4 MB,
/// of which 64 KB are taken with the first label.
const MAX_VALUES: usize = 8_192;

/// What the names of scopes may use up of both: they are any text the service likes, perhaps a customer's number, and
/// must leave room for tasks and routes, of which there are only as many as the code has.
const MAX_OF_SCOPES: (usize, usize) = (MAX_SETS / 4 * 3, MAX_VALUES / 4 * 3);

/// The longest value in bytes; the rest of a longer one is cut off, and counted.
const MAX_VALUE: usize = 128;

/// What a label is about. A set has at most one label of each key: the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Which task is polled: its name, or the function or line that spawned it.
    Task,
    /// Which route of the service answers: `GET /orders/{id}`.
    Route,
    /// Which span of `tracing` is entered.
    Span,
    /// What [`scope`] says.
    Scope,
}

/// A value of a label, interned; for who sets the same label again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value(u32);

/// Makes what this thread does belong to a tag, until dropped; then what was before holds again.
#[derive(Debug)]
#[must_use = "dropping it ends what it stands for"]
pub(crate) struct Entered {
    before: u32,
    /// The tag is this thread's, so the guard must stay here.
    stays: PhantomData<*const ()>,
}

/// How full the tables are, and what found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Different sets of labels.
    pub(crate) sets: u32,
    /// Different values of labels.
    pub(crate) values: u32,
    /// How many times a label was left out because its table was full.
    pub(crate) turned_away: u64,
    /// How many times a value was too long and was cut.
    pub(crate) cut: u64,
}

/// The tag for what `parent` stands for and `key` = `value`. Past the bounds it is `parent`, and that is counted.
/// Costs about 25 ns for labels that are known.
pub(crate) fn child(parent: u32, key: Key, value: &str) -> u32 {
    LABELS.with(parent, key, LABELS.value(key, value))
}

/// `value`, to be put into tags with [`with`].
pub(crate) fn value(key: Key, value: &str) -> Value {
    LABELS.value(key, value)
}

/// As [`child`], for half the price.
pub(crate) fn with(parent: u32, key: Key, value: Value) -> u32 {
    LABELS.with(parent, key, value)
}

/// The tag of a task that was spawned where `parent` held: it keeps the route and the span that it works for.
pub(crate) fn spawned(parent: u32, task: Value) -> u32 {
    LABELS.spawned(parent, task)
}

/// The tag of this thread; 0 is nothing in particular.
#[inline]
pub(crate) fn current() -> u32 {
    sys::tag::get()
}

/// The labels that `tag` stands for, outermost first: `task`, `route`, `span`, `scope`. Not for hooks: it allocates.
#[allow(dead_code, reason = "only the CPU sampler shows them")]
pub(crate) fn labels(tag: u32) -> Vec<(&'static str, Arc<str>)> {
    LABELS.labels(tag)
}

/// The label of `key` in `tag`.
pub(crate) fn label(tag: u32, key: Key) -> Option<Arc<str>> {
    LABELS.label(tag, key)
}

/// The number of the route in `tag`, see [`Value::from_number`]; 0 for none.
pub(crate) fn route(tag: u32) -> u32 {
    let [_, route, _, _] = LABELS.set(tag);
    route
}

/// The text of an interned value.
pub(crate) fn text(value: Value) -> Option<Arc<str>> {
    LABELS.values.get(value.0).cloned()
}

/// How full the tables are.
pub(crate) fn summary() -> Summary {
    LABELS.summary()
}

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::new(MAX_SETS, MAX_VALUES));

#[derive(Debug)]
struct Labels {
    sets: Interner<Set>,
    values: Interner<Arc<str>>,
    turned_away: AtomicU64,
    cut: AtomicU64,
    bounds: (usize, usize),
}

/// The number of the value for each key, 0 where the key has none. One set for what is equal, in whichever order it
/// was entered; a recursion of a thousand scopes is as many sets as it has names.
type Set = [u32; 4];

impl Key {
    const ALL: [Self; 4] = [Self::Task, Self::Route, Self::Span, Self::Scope];

    /// Its name in profiles.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Route => "route",
            Self::Span => "span",
            Self::Scope => "scope",
        }
    }
}

impl Value {
    /// No value at all: what does not fit becomes this.
    pub(crate) const NONE: Self = Self(0);

    /// As a number that can be kept in an atomic.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The value with this [`Value::number`].
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl Entered {
    /// This thread works on `tag` from now on.
    #[inline]
    pub(crate) fn new(tag: u32) -> Self {
        Self { before: sys::tag::set(tag), stays: PhantomData }
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        sys::tag::set(self.before);
    }
}

impl Labels {
    fn new(sets: usize, values: usize) -> Self {
        Self {
            sets: Interner::new(sets),
            values: Interner::new(values),
            turned_away: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            bounds: (sets, values),
        }
    }

    fn value(&self, key: Key, value: &str) -> Value {
        let kept = cut(value);
        if kept.len() < value.len() {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
        let (_, most) = self.bounds_of(key);
        let number = self.values.intern(hash::text(kept), most, |other| **other == *kept, || kept.into());
        number.map_or_else(|| self.turn_away(Value::NONE), Value)
    }

    fn with(&self, parent: u32, key: Key, value: Value) -> u32 {
        if value == Value::NONE {
            return parent;
        }
        let mut set = self.set(parent);
        for (slot, _) in set.iter_mut().zip(Key::ALL).filter(|(_, of)| *of == key) {
            *slot = value.0;
        }
        let (most, _) = self.bounds_of(key);
        self.number(set, most).unwrap_or_else(|| self.turn_away(parent))
    }

    fn spawned(&self, parent: u32, task: Value) -> u32 {
        let [_, route, span, _] = self.set(parent);
        let set = [task.0, route, span, 0];
        let (most, _) = self.bounds_of(Key::Task);
        // Another task's label would be a lie: without room it is no tag at all.
        self.number(set, most).unwrap_or_else(|| self.turn_away(0))
    }

    fn number(&self, set: Set, most: usize) -> Option<u32> {
        if set == [0; 4] {
            return Some(0);
        }
        self.sets.intern(hash::set(set), most, |other| *other == set, || set)
    }

    fn set(&self, tag: u32) -> Set {
        self.sets.get(tag).copied().unwrap_or_default()
    }

    fn bounds_of(&self, key: Key) -> (usize, usize) {
        let (sets, values) = self.bounds;
        let (scope_sets, scope_values) = MAX_OF_SCOPES;
        match key {
            Key::Scope => (sets.min(scope_sets), values.min(scope_values)),
            _ => (sets, values),
        }
    }

    #[cold]
    fn turn_away<T>(&self, instead: T) -> T {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        instead
    }

    fn labels(&self, tag: u32) -> Vec<(&'static str, Arc<str>)> {
        let labels = self.set(tag).into_iter().zip(Key::ALL);
        labels.filter_map(|(value, key)| Some((key.name(), self.values.get(value)?.clone()))).collect()
    }

    fn label(&self, tag: u32, key: Key) -> Option<Arc<str>> {
        let (value, _) = self.set(tag).into_iter().zip(Key::ALL).find(|(_, of)| *of == key)?;
        self.values.get(value).cloned()
    }

    fn summary(&self) -> Summary {
        Summary {
            sets: self.sets.len(),
            values: self.values.len(),
            turned_away: self.turned_away.load(Ordering::Relaxed),
            cut: self.cut.load(Ordering::Relaxed),
        }
    }
}

/// As much of `value` as is kept.
fn cut(value: &str) -> &str {
    if value.len() <= MAX_VALUE {
        return value;
    }
    let end = (0..=MAX_VALUE).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
    value.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
