//! One request that is being handled.

use std::time::Instant;

use super::routes::{self, Route};
use crate::context::{self, Entered, Key};

/// A request until its answer; dropped before that it was canceled.
#[derive(Debug)]
pub(super) struct Call {
    route: &'static Route,
    began: Instant,
    answered: bool,
    /// The thread's tag at the last poll and what came of it: seldom another at the next.
    last: (u32, u32),
}

impl Call {
    /// A request with this method for this route of the service.
    pub(super) fn new(method: &::http::Method, path: &str) -> Self {
        let route = routes::route(known(method), path);
        let parent = context::current();
        route.began();
        let last = (parent, context::with(parent, Key::Route, route.label()));
        Self { route, began: Instant::now(), answered: false, last }
    }

    /// What this thread does belongs to the route from here on.
    pub(super) fn enter(&mut self) -> Entered {
        let parent = context::current();
        if self.last.0 != parent {
            self.last = (parent, context::with(parent, Key::Route, self.route.label()));
        }
        Entered::new(self.last.1)
    }

    /// The response's head is there.
    pub(super) fn answered(&mut self, status: u16, bytes: Option<u64>) {
        if !std::mem::replace(&mut self.answered, true) {
            self.route.answered(self.began.elapsed(), status, bytes);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered {
            self.route.canceled();
        }
    }
}

/// The method's name; a client may invent methods without end.
fn known(method: &::http::Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("OTHER")
}
