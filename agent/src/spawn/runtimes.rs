//! The runtimes whose workers are watched besides the one that the agent was started in.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

/// The most runtimes that are watched; a service has one or two.
pub(crate) const MAX_RUNTIMES: usize = 32;

/// One runtime of the service.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    /// What pages and alerts call it.
    #[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "only the watchdog tells of one by name"))]
    pub(crate) name: Arc<str>,
    pub(crate) handle: Handle,
}

static RUNTIMES: Mutex<Vec<Runtime>> = Mutex::new(Vec::new());

/// Adds one, unless it is known or there are [`MAX_RUNTIMES`].
pub(super) fn add(handle: &Handle, name: &str) {
    let mut runtimes = RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner);
    if runtimes.len() < MAX_RUNTIMES && runtimes.iter().all(|known| known.handle.id() != handle.id()) {
        runtimes.push(Runtime { name: name.into(), handle: handle.clone() });
    }
}

/// All of them, the agent's `main` one first if it is not among them under a name of its own.
pub(crate) fn runtimes(main: Option<&Handle>) -> Vec<Runtime> {
    let named = RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let main = main.filter(|main| named.iter().all(|known| known.handle.id() != main.id()));
    let main = main.map(|main| Runtime { name: "main".into(), handle: main.clone() });
    main.into_iter().chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_known_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ours = || -> Vec<String> {
            let of_ours = |known: &Runtime| known.handle.id() == runtime.handle().id();
            runtimes(Some(runtime.handle()))
                .into_iter()
                .filter(of_ours)
                .map(|known| known.name.to_string())
                .collect()
        };
        assert_eq!(ours(), ["main"]);
        crate::watch_runtime(runtime.handle(), "files");
        crate::watch_runtime(runtime.handle(), "again");
        assert_eq!(ours(), ["files"]);
    }
}
