//! A code address as a sampler saw it: where execution stands, or where it will return to.

/// A code address of a running process, and how it came to be in a stack.
///
/// A return address belongs to the instruction *before* it: looked up as it stands it can fall on the next line or
/// even into the next function. [`Addr::lookup`] is the one place that takes the byte off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Addr {
    /// The instruction being executed: the leaf of a CPU sample.
    Pc(u64),
    /// The address a call returns to: every frame above the leaf, and all frames of a heap sample.
    Return(u64),
}

impl Addr {
    /// The address as it was seen.
    #[must_use]
    pub const fn raw(self) -> u64 {
        match self {
            Self::Pc(address) | Self::Return(address) => address,
        }
    }

    /// The address to look up: one byte before a return address, so that it lies inside the call.
    #[must_use]
    pub const fn lookup(self) -> u64 {
        match self {
            Self::Pc(address) => address,
            Self::Return(address) => address.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_return_addresses_are_moved() {
        assert_eq!(Addr::Pc(0x1000).lookup(), 0x1000);
        assert_eq!(Addr::Return(0x1000).lookup(), 0xfff);
        assert_eq!(Addr::Return(0).lookup(), 0);
    }
}
