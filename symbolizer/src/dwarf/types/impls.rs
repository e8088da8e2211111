//! What each `impl` is of. The debug info numbers them (`shop::{impl#2}::place`), the linker's names of their functions have
//! the type (`shop::Shop::place`), and so have people. Pure.

use rustc_hash::FxHashMap;

use crate::name::outside::{before, segments, split};
use crate::name::readable;

const IMPL: &str = "{impl#";

/// The most that are kept, of 200 bytes: 2 MB.
const MAX_IMPLS: usize = 10_000;

/// Types by the paths of their `impl`s.
#[derive(Debug, Default)]
pub(super) struct Impls(FxHashMap<String, String>);

impl Impls {
    /// True for the name of a scope that is an `impl`.
    pub(super) fn is_one(name: &str) -> bool {
        name.starts_with(IMPL)
    }

    /// Learns from a function with the path `path` (its own name last) that the linker calls it `raw`.
    pub(super) fn learn(&mut self, path: &[String], raw: &str) {
        let Some(at) = path.iter().position(|part| Self::is_one(part)) else { return };
        let (Some(around), Some(inside)) = (path.get(..=at), path.get(at + 1..)) else { return };
        let key = around.join("::");
        if self.0.contains_key(&key) || self.0.len() >= MAX_IMPLS {
            return;
        }
        let name = readable(raw);
        let parts: Vec<&str> = segments(&name).collect();
        let Some((of_type, rest)) =
            parts.len().checked_sub(inside.len()).and_then(|at| parts.split_at_checked(at))
        else {
            return;
        };
        let is_same = inside.first().zip(rest.first()).is_some_and(|(one, other)| bare(one) == bare(other));
        if is_same && !of_type.is_empty() {
            let of_type: Vec<String> = of_type.iter().map(|part| without_parameters(part)).collect();
            self.0.insert(key, of_type.join("::"));
        }
    }

    /// `name` with types where it has the numbers of their `impl`s, as far as they are known.
    pub(super) fn named(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len());
        let mut rest = name;
        while let Some(at) = rest.find(IMPL) {
            let Some(end) = rest.get(at..).and_then(|from| from.find('}')).map(|length| at + length + 1)
            else {
                break;
            };
            let (before, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let start =
                before.get(..at).unwrap_or_default().rfind(|sign| !is_path(sign)).map_or(0, |sign| sign + 1);
            match before.get(start..).and_then(|path| self.0.get(path)) {
                Some(of_type) => {
                    out.push_str(before.get(..start).unwrap_or_default());
                    out.push_str(of_type);
                }
                None => out.push_str(before),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

const fn is_path(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '_' | ':')
}

fn bare(part: &str) -> &str {
    before(part, &['<'])
}

/// A type without what it is generic over: the same `impl` is of many.
fn without_parameters(part: &str) -> String {
    match part.strip_prefix('<').and_then(|inside| inside.strip_suffix('>')) {
        Some(inside) => match split(inside, " as ") {
            Some((of_type, of_trait)) => format!("<{} as {}>", plain(of_type), plain(of_trait)),
            None => format!("<{}>", plain(inside)),
        },
        None => bare(part).to_owned(),
    }
}

fn plain(path: &str) -> String {
    segments(path).map(bare).collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impl_is_called_by_its_type() {
        #[track_caller]
        fn check(path: &str, raw: &str, name: &str, expected: &str) {
            let mut impls = Impls::default();
            impls.learn(&path.split('/').map(str::to_owned).collect::<Vec<_>>(), raw);
            assert_eq!(impls.named(name), expected);
        }
        let place = "shop/{impl#2}/place/{async_fn#0}";
        let linked = "shop::Shop<u8>::place::{closure}";
        check(
            place,
            linked,
            "shop::{impl#2}::place::{async_fn_env#0}",
            "shop::Shop::place::{async_fn_env#0}",
        );
        check(
            place,
            linked,
            "Pin<&mut shop::{impl#2}::place::{async_fn_env#0}>",
            "Pin<&mut shop::Shop::place::{async_fn_env#0}>",
        );
        check(place, linked, "(shop::{impl#2}::a, shop::{impl#3}::b)", "(shop::Shop::a, shop::{impl#3}::b)");
        check(place, linked, "my_shop::{impl#2}::a", "my_shop::{impl#2}::a");
        check(place, "shop::Shop::other::{closure}", "shop::{impl#2}::place", "shop::{impl#2}::place");
        check(place, "place::{closure}", "shop::{impl#2}::place", "shop::{impl#2}::place");
        check(
            "shop/{impl#1}/total<u8>",
            "_RNvXs_Cs1234_4shopNtB4_4ShopNtB4_5Total5total",
            "shop::{impl#1}::total::{async_fn_env#0}",
            "<shop::Shop as shop::Total>::total::{async_fn_env#0}",
        );
        check(
            "shop/{impl#1}/total",
            "<alloc::vec::Vec<T> as shop::Total<U>>::total",
            "shop::{impl#1}::total",
            "<alloc::vec::Vec as shop::Total>::total",
        );
        check("shop/{impl#1}/total", "", "shop::{impl#1", "shop::{impl#1");
    }
}
