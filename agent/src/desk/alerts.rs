//! What the page of alerts shows: what is open and how much was told of it, what was not told and why, and how those do who
//! bring it to people. Values alone; the loop sets them at every tick.

use std::time::SystemTime;

use crate::store::Open;

/// All of it, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    /// What is open, the oldest first, and how many messages this run has sent of it.
    pub(crate) open: Vec<(Open, u32)>,
    /// How often something was not told, and why not.
    pub(crate) suppressed: Vec<(&'static str, u64)>,
    pub(crate) outlets: Vec<Outlet>,
}

/// How a sink does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outlet {
    pub(crate) name: String,
    pub(crate) sent: u64,
    pub(crate) retried: u64,
    pub(crate) dropped: u64,
    pub(crate) files_left_out: u64,
    pub(crate) waiting: usize,
    pub(crate) last_error: Option<String>,
    /// When an alert arrived last.
    pub(crate) last_sent: Option<SystemTime>,
    /// Since when none arrives, though one was tried.
    pub(crate) down_since: Option<SystemTime>,
}
