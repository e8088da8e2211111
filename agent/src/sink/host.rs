//! What this host is called.

/// The host's name, which in Kubernetes is the pod's; `unknown` where it cannot be read.
pub(super) fn name() -> String {
    let read =
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let name = read.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}
