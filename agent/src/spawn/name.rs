//! The function behind a spawned future, out of the name of the future's type.

use std::panic::Location;

const CLOSURE: &str = "::{{closure}}";

/// Crates whose futures wrap those of others, and say nothing about where a task comes from.
const WRAPPERS: &[&str] = &[
    "alloc",
    "core",
    "flamewatch",
    "futures",
    "futures_channel",
    "futures_util",
    "hyper",
    "hyper_util",
    "std",
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tower",
    "tower_http",
    "tracing",
    "tracing_futures",
];

/// The function that `type_name` belongs to: `shop::checkout` for the `async` block in it, or the future's own type
/// where it was written by hand. `None` when the type says nothing, as a boxed `dyn Future` does.
pub(super) fn function_of(type_name: &str) -> Option<String> {
    if type_name.ends_with(CLOSURE) {
        return Some(without_closures(type_name));
    }
    let inner = innermost_closure(type_name);
    if inner.is_some() {
        return inner;
    }
    let plain = !type_name.contains("dyn ") && !starts_with_wrapper(type_name);
    plain.then(|| type_name.to_owned())
}

/// `orders.rs:88`, for what has no better name.
pub(crate) fn of_place(place: &Location<'_>) -> String {
    let file = place.file().rsplit(['/', '\\']).next().unwrap_or_default();
    format!("{file}:{}", place.line())
}

/// `a::b::{{closure}}::{{closure}}` is `a::b`.
fn without_closures(name: &str) -> String {
    let mut name = name;
    while let Some(shorter) = name.strip_suffix(CLOSURE) {
        name = shorter;
    }
    name.to_owned()
}

/// The first path inside a wrapper's angle brackets that is an `async` block of nobody else's.
fn innermost_closure(type_name: &str) -> Option<String> {
    type_name
        .split(['<', '>', ',', '(', ')', '&', ' ', '*', '[', ']', ';'])
        .find(|path| path.ends_with(CLOSURE) && !path.starts_with("::") && !starts_with_wrapper(path))
        .map(without_closures)
}

fn starts_with_wrapper(path: &str) -> bool {
    path.split("::").next().is_some_and(|name| WRAPPERS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(type_name: &str, expected: Option<&str>) {
        assert_eq!(function_of(type_name).as_deref(), expected);
    }

    #[test]
    fn functions() {
        check("leaky_shop::checkout::{{closure}}::{{closure}}", Some("leaky_shop::checkout"));
        check("shop::cart::Cart::run::{{closure}}", Some("shop::cart::Cart::run"));
        check("<shop::Cart as shop::Job>::run::{{closure}}", Some("<shop::Cart as shop::Job>::run"));
        check("tokio::time::timeout::Timeout<shop::poll::{{closure}}>", Some("shop::poll"));
        check("tracing::instrument::Instrumented<shop::a::{{closure}}::{{closure}}>", Some("shop::a"));
        check("futures_util::future::Map<tokio::x::{{closure}}, shop::b::{{closure}}>", Some("shop::b"));
        check("shop::Worker", Some("shop::Worker"));
        check("core::pin::Pin<alloc::boxed::Box<dyn core::future::Future<Output = ()>>>", None);
        check("core::future::ready::Ready<()>", None);
    }
}
