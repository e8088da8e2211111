//! What faults have to do with each other: which one explains which.

/// What a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Family {
    /// The heap, and all of the resident memory.
    Memory,
    /// Tasks.
    Tasks,
    /// Threads.
    Threads,
    /// File descriptors.
    Descriptors,
}

/// What a rule says of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Topic {
    /// It has nothing to do with others.
    Alone,
    /// It is nearly used up.
    Limit(Family),
    /// It leaks, in a known place.
    Leak(Family),
    /// It grows.
    Growth(Family),
    /// A part of it grows, which says no more than that the whole does.
    Part(Family),
}

/// What a new fault is to one that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// Nothing.
    Stranger,
    /// More about the same.
    More,
    /// Nothing that the open one did not say.
    Explained,
}

impl Topic {
    /// What a rule on `gauge` says, one for growth or one for a level.
    #[must_use]
    pub fn of_rule(gauge: &str, growing: bool) -> Self {
        match (gauge, growing) {
            ("rss.share", false) => Self::Limit(Family::Memory),
            ("rss" | "rss.share" | "heap.allocated", true) => Self::Growth(Family::Memory),
            ("tasks", true) => Self::Growth(Family::Tasks),
            ("tasks.lasting", true) => Self::Part(Family::Tasks),
            ("threads", true) => Self::Growth(Family::Threads),
            ("fds", true) => Self::Growth(Family::Descriptors),
            _ => Self::Alone,
        }
    }

    /// What a new fault of this topic is to an open one of topic `open`.
    pub(super) fn to(self, open: Self) -> Relation {
        if self.family().is_none() || self.family() != open.family() {
            return Relation::Stranger;
        }
        match (self, open) {
            // Another place that leaks is another fault.
            (Self::Leak(_), Self::Leak(_)) => Relation::Stranger,
            // Who is told that memory ends soon needs no message that it grows.
            (Self::Growth(_) | Self::Limit(_), Self::Limit(_)) | (Self::Part(_), _) => Relation::Explained,
            _ => Relation::More,
        }
    }

    const fn family(self) -> Option<Family> {
        match self {
            Self::Alone => None,
            Self::Limit(family) | Self::Leak(family) | Self::Growth(family) | Self::Part(family) => {
                Some(family)
            }
        }
    }
}
