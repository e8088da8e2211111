//! Names: whole as people read them, mangled beside it. Where the two are equal, pprof takes the name for a mangled one, cuts
//! every `<…>` out of it (`internal/symbolizer`, `Demangle`) and adds up functions that only differ there.

use crate::case::{Case, Rule};

pub(crate) const RULES: &[Rule] = &[
    Rule::all("ours/named", named),
    Rule::all("ours/system-name", system_name),
    Rule::agents("ours/mangled", mangled),
    Rule::agents("ours/no-hash", no_hash),
    Rule::agents("ours/one-line-names", one_line),
];

fn named(case: &Case<'_>) -> Vec<String> {
    let nameless = case.profile.function.iter().filter(|function| function.name == 0);
    nameless.map(|function| format!("function {} has no name", function.id)).collect()
}

fn system_name(case: &Case<'_>) -> Vec<String> {
    let equal = case.profile.function.iter().filter(|function| function.name == function.system_name);
    equal
        .filter(|function| function.name != 0)
        .map(|function| format!("{:?} is its own system name", case.text(function.name)))
        .collect()
}

/// A system name is a symbol: nothing of what only stands in names for people.
fn mangled(case: &Case<'_>) -> Vec<String> {
    let spoken = |name: &str| name.contains("::") || name.contains('<') || name.contains(' ');
    let names = case.profile.function.iter().map(|function| case.text(function.system_name));
    names.filter(|name| spoken(name)).map(|name| format!("the system name {name:?} is no symbol")).collect()
}

/// pprof shows the hash at the end of an old mangled name as it is.
fn no_hash(case: &Case<'_>) -> Vec<String> {
    let is_hash = |name: &str| {
        let end = name.rsplit_once("::h").map_or("", |(_, end)| end);
        end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let names = case.profile.function.iter().map(|function| case.text(function.name));
    names.filter(|name| is_hash(name)).map(|name| format!("{name:?} ends in a hash")).collect()
}

/// A line break would forge a line of every text that shows it.
fn one_line(case: &Case<'_>) -> Vec<String> {
    let names = case.profile.function.iter().map(|function| case.text(function.name));
    names.filter(|name| name.chars().any(char::is_control)).map(|name| format!("{name:?}")).collect()
}
