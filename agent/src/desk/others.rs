//! The service's tasks that nobody told us of, for who shows them one by one.

use std::sync::Arc;

use super::Desk;
use crate::source::tasks::{MAX_PAGED, Others};
use crate::source::walk::Reading;
use crate::spawn;

impl Desk {
    /// The same desk, where `reading` reads tasks.
    pub(crate) fn reading_by(self, reading: Arc<Reading>) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// The oldest of them. Reads memory for some microseconds a task; for the thread of a request.
    pub(crate) fn other_tasks(&self) -> Others {
        let Some(reading) = self.reading.as_ref().filter(|_| spawn::hooks_are_set() != Some(true)) else {
            return Others::default();
        };
        Others::read(reading, &spawn::runtimes(self.runtime.as_ref()), MAX_PAGED).unwrap_or_else(|refusal| {
            let remark = format!("tasks that flamewatch::spawn did not spawn are not listed: {refusal}");
            Others { remarks: vec![remark], ..Others::default() }
        })
    }
}
