//! The short name for pictures: the last type or module and the function, without generics and arguments.

use super::outside::{before, segments, split};

/// `Vec::push` for `alloc::vec::Vec<u8>::push`, `orders::place` for `shop::orders::place::{async fn}`, `Cart::total`
/// for `<shop::Cart<u8> as shop::Total>::total`. Many functions can have one short name: show it, do not compare it.
#[must_use]
pub fn short(name: &str) -> String {
    let of_cpp = segments(name).any(|part| before(part, &['(']).len() < part.len());
    let mut words: Vec<String> = Vec::new();
    let mut made: Option<&str> = None;
    for part in segments(name) {
        if part.starts_with('{') {
            made = Some(part);
        } else if let Some(word) = word(part, of_cpp) {
            words.push(word);
            made = None;
        }
    }
    // The body of an `async fn` is what people call by the function's name.
    let made = made.filter(|made| *made != "{async fn}").map(|made| before(made, &['<']).to_owned());
    let shown: Vec<String> = words.split_off(words.len().saturating_sub(2)).into_iter().chain(made).collect();
    if shown.is_empty() { name.to_owned() } else { shown.join("::") }
}

/// What to show of one part of a path.
fn word(part: &str, of_cpp: bool) -> Option<String> {
    if let Some(inside) = part.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        return match split(inside, " as ") {
            Some((of_type, of_trait)) => type_word(of_type).or_else(|| type_word(of_trait)),
            None => type_word(inside),
        };
    }
    let part = if of_cpp { without_signature(part) } else { part };
    Some(before(part, &['<', '[']).trim_end().to_owned())
}

/// `f<int>` for C++'s `std::vector<int> f<int>(int) const`.
fn without_signature(part: &str) -> &str {
    let part = before(part, &['(']);
    if let Some(operator) = part.rfind("operator").and_then(|at| part.get(at..)) {
        return operator;
    }
    let mut rest = part;
    while let Some((_, after)) = split(rest, " ") {
        rest = after;
    }
    rest
}

/// `[Item]` for `&mut [shop::Item]`; nothing for what says less than the trait: a tuple, a pointer to a function, the
/// name of a type parameter.
fn type_word(of_type: &str) -> Option<String> {
    let bare = peeled(of_type);
    let inside = peeled(bare.trim_start_matches('['));
    let path = before(inside, &[';', ' ', '+']).trim_end_matches(']');
    let last = before(segments(path).last()?, &['<']);
    let is_name =
        last.starts_with(|first: char| first.is_alphabetic() || first == '_') && !path.starts_with("fn(");
    match (is_name, bare.starts_with('[')) {
        (true, true) => Some(format!("[{last}]")),
        (true, false) if last.len() > 1 => Some(last.to_owned()),
        _ => None,
    }
}

/// A type without the references and words before it.
pub(crate) fn peeled(of_type: &str) -> &str {
    let mut rest = of_type;
    loop {
        let bare = rest.trim_start_matches(['&', '*', ' ']);
        let bare = ["mut ", "const ", "dyn "]
            .iter()
            .fold(bare, |bare, word| bare.strip_prefix(word).unwrap_or(bare));
        let bare = match bare.strip_prefix('\'').and_then(|lifetime| lifetime.split_once(' ')) {
            Some((_, behind)) => behind,
            None => bare,
        };
        if bare.len() == rest.len() {
            return rest;
        }
        rest = bare;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(short(name), expected);
    }

    #[test]
    fn rust() {
        check("shop::orders::place", "orders::place");
        check("shop::orders::place::{async fn}", "orders::place");
        check("shop::orders::place::{async fn}::{closure#1}", "orders::place::{closure#1}");
        check("shop::main::{closure}::{closure}", "shop::main::{closure}");
        check("shop::main", "shop::main");
        check("alloc::vec::Vec<T,A>::push", "Vec::push");
        check("<alloc::vec::Vec<u8> as core::clone::Clone>::clone", "Vec::clone");
        check("<&mut [shop::Item] as shop::Total>::total", "[Item]::total");
        check("<&'a mut dyn shop::Item + core::marker::Send as shop::Total>::total", "Item::total");
        check("<(u8,&str) as shop::orders::Total>::total", "Total::total");
        check("<fn(u8) -> u8 as shop::orders::Total>::total", "Total::total");
        check("<T as core::convert::Into<U>>::into", "Into::into");
        check("<[T]>::to_vec", "[T]::to_vec");
        check("str::trim", "str::trim");
        check("core::ptr::drop_in_place<shop::Cart<u8>>", "ptr::drop_in_place");
        check("shop::orders::{impl#3}::add<u8>", "orders::add");
        check("<shop::Cart as shop::Total>::later::{closure}", "Cart::later::{closure}");
        check("core::ops::function::FnOnce::call_once::{vtable shim}", "FnOnce::call_once::{vtable shim}");
        check("{closure#1}<u8>", "{closure#1}");
    }

    #[test]
    fn c_and_cpp() {
        check("malloc", "malloc");
        check("std::vector<int, std::allocator<int> >::push_back(int const&)", "vector::push_back");
        check("void foo::bar<int>(int)", "foo::bar");
        check("std::ostream& std::operator<< <char>(std::ostream&, char)", "std::operator<<");
        check("a::f()::{lambda(int)#1}::operator()(int) const", "f::operator()");
        check("operator new[](unsigned long)", "operator new[]");
        check("std::locale::~locale()", "locale::~locale");
        check("(anonymous namespace)::f(int)", "(anonymous namespace)::f");
        check("std::messages<wchar_t>::do_get(int, std::string const&) const", "messages::do_get");
    }

    #[test]
    fn what_is_no_path_stays() {
        check("libc.so.6+0x27249", "libc.so.6+0x27249");
        check("task spawned at src/mail.rs:5", "task spawned at src/mail.rs:5");
        check("(no stack)", "(no stack)");
        check("", "");
    }
}
