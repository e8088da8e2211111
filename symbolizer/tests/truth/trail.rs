//! What a chain of calls should look like, written down by the calls themselves: each function on the way adds its
//! name, and the place it is called from adds file and line. `mark` ends the way and prints the address.

use std::panic::Location;

use crate::sys;

/// A known place in this program: where it is, and the functions that stand there.
pub struct Trail {
    point: &'static str,
    /// Outermost first, as they are entered.
    calls: Vec<(&'static str, &'static Location<'static>)>,
}

impl Trail {
    /// The beginning of the way to `point`.
    pub fn to(point: &'static str) -> Self {
        Self { point, calls: Vec::new() }
    }

    /// Adds the function that stands here, at the line this is called on.
    #[track_caller]
    pub fn at(&mut self, function: &'static str) -> &mut Self {
        self.calls.push((function, Location::caller()));
        self
    }

    /// Prints where this function returns to, which lies in what was added last.
    #[inline(never)]
    pub fn mark(&self) {
        self.print(sys::return_address(), "return");
    }

    /// Prints `address`, where an instruction stands that is being executed.
    #[inline(never)]
    #[allow(dead_code, reason = "the library has no such point")]
    pub fn mark_pc(&self, address: u64) {
        self.print(address, "pc");
    }

    #[inline(never)]
    fn print(&self, address: u64, kind: &str) {
        let calls = self.calls.iter().rev().map(|(function, place)| {
            let file = place.file().rsplit_once("/tests/").map_or(place.file(), |(_, file)| file);
            format!(r#"["{function}","{file}",{}]"#, place.line())
        });
        let chain = calls.collect::<Vec<_>>().join(",");
        let point = self.point;
        println!(r#"{{"point":"{point}","address":{address},"kind":"{kind}","chain":[{chain}]}}"#);
    }
}
