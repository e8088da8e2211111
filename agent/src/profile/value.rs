//! What a profile counts: the name and unit of each of its values.

use std::borrow::Cow;

use crate::Unit;

/// One kind of number in a profile: `inuse_space` in bytes, `cpu` in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueType {
    name: Cow<'static, str>,
    unit: Unit,
}

impl ValueType {
    /// A value called `name` counted in `unit`.
    pub fn new(name: impl Into<Cow<'static, str>>, unit: Unit) -> Self {
        Self { name: name.into(), unit }
    }

    /// Its name as pprof's readers know it, such as `alloc_space`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }
}
