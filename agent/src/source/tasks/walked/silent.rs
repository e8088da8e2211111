//! Where tasks are not read from memory.

use std::collections::HashMap;

use crate::profile::Profile;
use crate::source::walk::{Reading, Refusal};
use crate::spawn::{Runtime, SiteCount};

/// Never there.
#[derive(Debug)]
pub(super) enum Walked {}

impl Walked {
    pub(super) fn read(_reading: &Reading, _runtimes: &[Runtime]) -> Result<Self, Refusal> {
        Err(Refusal)
    }

    pub(super) fn ours(&self) -> &HashMap<(u32, u32, u32), u64> {
        match *self {}
    }

    pub(super) fn has_first(&self) -> bool {
        match *self {}
    }

    pub(super) fn add_to(&self, _profile: &mut Profile, _sites: &HashMap<u32, &SiteCount>) {
        match *self {}
    }
}
