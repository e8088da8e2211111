//! Load on a service, driven by the fixture `shop_load`.

use std::net::SocketAddr;

use serde_json::Value;

use crate::{Fixture, Running};

/// Requests under way. Dropping it ends them.
#[derive(Debug)]
pub struct Load(Running);

impl Load {
    /// `rate` requests a second at `target` for `seconds`, mixed as in `cart=2,orders=1`.
    #[must_use]
    pub fn start(target: SocketAddr, seconds: u32, rate: u32, mix: &str) -> Self {
        let (target, seconds, rate) = (target.to_string(), seconds.to_string(), rate.to_string());
        let arguments = ["--target", &target, "--seconds", &seconds, "--rate", &rate, "--mix", mix];
        Self(Fixture::optimized("shop_load").with_arguments(arguments).start())
    }

    /// Waits for its end, and returns what it reports.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn report(self) -> Value {
        serde_json::from_str(&self.0.printed()).expect("a report in JSON")
    }
}
