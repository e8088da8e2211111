//! Where tasks are not read from memory.

use crate::profile::Frame;
use crate::source::walk::{Reading, Refusal};
use crate::spawn::Runtime;

/// None.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Others {
    pub(crate) tasks: Vec<OtherTask>,
    pub(crate) further: u64,
    pub(crate) remarks: Vec<String>,
}

/// One task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OtherTask {
    pub(crate) id: u64,
    pub(crate) state: &'static str,
    pub(crate) torn: bool,
    pub(crate) runtime: String,
    pub(crate) frames: Vec<Frame>,
}

impl Others {
    pub(crate) fn read(_reading: &Reading, _runtimes: &[Runtime], _most: usize) -> Result<Self, Refusal> {
        Err(Refusal)
    }
}
