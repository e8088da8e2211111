//! Every task for itself, a page at a time, the oldest first: what a sum by site cannot tell.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{count_of, name_of, route_of, state};
use crate::spawn::{self, Registry, Row, SiteCount};
use crate::sys::clock;

/// The most tasks that can be looked at one by one, the oldest; 10,000 rows are 0.6 MB while they are sorted. Of what
/// there are more of, the profile tells the kinds.
pub(crate) const MAX_PAGED: usize = 10_000;

/// The most tasks of one page.
pub(crate) const MAX_PAGE: usize = 1_000;

/// One page of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskList {
    /// Which page this is, from 0 on.
    pub(crate) page: usize,
    /// How many pages there are.
    pub(crate) pages: usize,
    /// How many tasks a page has.
    pub(crate) size: usize,
    /// Tasks alive, also those that are counted and not listed.
    pub(crate) alive: u64,
    /// Tasks that are listed one by one.
    pub(crate) listed: u64,
    pub(crate) tasks: Vec<TaskRow>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRow {
    /// The function it runs, or the line that spawned it.
    pub(crate) function: String,
    /// `file:line` of who spawned it.
    pub(crate) place: String,
    /// The name it was given with `.watched("name")`.
    pub(crate) name: Option<Arc<str>>,
    /// The route that it works for.
    pub(crate) route: Option<Arc<str>>,
    /// `task`, `local`, `blocking`, `future` or `runtime`.
    pub(crate) kind: &'static str,
    /// `new`, `running` or `waiting`; `alive` for the kind `runtime`, whose polls are not seen.
    pub(crate) state: &'static str,
    /// How long it has been in that state.
    pub(crate) since: Duration,
    pub(crate) age: Duration,
    pub(crate) polls: u64,
    /// How long it has run in all: polls of 20 ms and more, and of the shorter ones one in 64 for all.
    pub(crate) busy: Duration,
}

/// The tasks of page `page` when each has `size`, at most [`MAX_PAGE`].
pub(crate) fn list(page: usize, size: usize) -> TaskList {
    let size = size.clamp(1, MAX_PAGE);
    let first = page.saturating_mul(size).min(MAX_PAGED);
    let (rows, listed) = spawn::oldest(first.saturating_add(size).min(MAX_PAGED));
    let counts = Registry::global().counts();
    let paged = usize::try_from(listed).unwrap_or(MAX_PAGED).min(MAX_PAGED);
    TaskList {
        page,
        pages: paged.div_ceil(size),
        size,
        alive: counts.iter().map(|count| count.alive).sum::<u64>().max(listed),
        listed,
        tasks: tasks(rows.get(first..).unwrap_or_default(), &counts, clock::coarse_ms()),
    }
}

fn tasks(rows: &[Row], counts: &[SiteCount], now_ms: u64) -> Vec<TaskRow> {
    let sites: HashMap<u32, &SiteCount> = counts.iter().map(|count| (count.number, count)).collect();
    rows.iter().filter_map(|row| Some(task(row, count_of(&sites, row.site)?, now_ms))).collect()
}

fn task(row: &Row, site: &SiteCount, now_ms: u64) -> TaskRow {
    let function = super::function(site);
    let ago = |ms: u64| Duration::from_millis(now_ms.saturating_sub(ms));
    TaskRow {
        place: function.short_place().unwrap_or_default(),
        function: function.name,
        name: name_of(row.name),
        route: route_of(row.tag),
        kind: site.kind.label().unwrap_or("task"),
        state: state(row.state),
        since: ago(row.since_ms),
        age: ago(row.born_ms),
        polls: row.polls,
        busy: Duration::from_nanos(row.busy_ns),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::Watch as _;

    #[tokio::test]
    async fn a_task_is_listed_with_all_that_is_known_of_it() {
        let line = line!() + 1;
        let tasks = [0; 3].map(|_| crate::spawn(pending::<()>().watched("lister")));
        let ours = || {
            let list = list(0, MAX_PAGE);
            assert!(list.alive >= list.listed && list.listed >= 3);
            let place = format!("tasks/list.rs:{line}");
            list.tasks.into_iter().filter(move |task| task.place.ends_with(&place)).collect::<Vec<_>>()
        };
        assert!(ours().iter().all(|task| (task.state, task.polls) == ("new", 0)));
        while ours().iter().any(|task| task.state != "waiting") {
            tokio::task::yield_now().await;
        }
        let ours = ours();
        assert_eq!(ours.len(), 3);
        let names = ours.iter().map(|task| (task.name.as_deref(), task.kind));
        assert_eq!(names.collect::<Vec<_>>(), [(Some("lister"), "task"); 3]);
        // More than one poll where another test asks all tasks at this moment.
        assert!(ours.iter().all(|task| task.polls >= 1));
        assert!(ours.iter().all(|task| task.since <= task.age && task.age < Duration::from_secs(600)));
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[test]
    fn pages_past_the_end_are_empty() {
        let list = list(usize::MAX, usize::MAX);
        assert!(list.tasks.is_empty());
    }
}
