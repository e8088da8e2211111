//! Legacy Rust mangling writes types with escapes; names from elsewhere than a symbol table can have them too.

use std::borrow::Cow;

const SIGNS: &[(&str, char)] =
    &[("SP", '@'), ("BP", '*'), ("RF", '&'), ("LT", '<'), ("GT", '>'), ("LP", '('), ("RP", ')'), ("C", ',')];

/// `name` with `$LT$`, `$u20$` and the like decoded, and then also `..`, which stands for `::`. A name without an
/// escape is left alone: `..` and `$` are nothing special elsewhere.
pub(super) fn decoded(name: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = name;
    let mut found = false;
    while let Some((before, after)) = rest.split_once('$') {
        match sign(after) {
            Some((sign, behind)) => {
                // An identifier cannot begin with an escape, so the compiler puts a `_` before it.
                let padding = before == "_" && out.is_empty() || before.ends_with("::_");
                out.push_str(if padding { before.strip_suffix('_').unwrap_or(before) } else { before });
                out.push(sign);
                (rest, found) = (behind, true);
            }
            None => {
                out.push_str(before);
                out.push('$');
                rest = after;
            }
        }
    }
    if !found {
        return Cow::Borrowed(name);
    }
    out.push_str(rest);
    Cow::Owned(out.replace("..", "::"))
}

/// The sign that `after`, what follows a `$`, names, and what follows its second `$`.
fn sign(after: &str) -> Option<(char, &str)> {
    let (code, behind) = after.split_once('$')?;
    let known = SIGNS.iter().find(|(name, _)| *name == code).map(|(_, sign)| *sign);
    let by_number = || u32::from_str_radix(code.strip_prefix('u')?, 16).ok().and_then(char::from_u32);
    let sign = known.or_else(by_number).filter(|sign| !sign.is_control())?;
    Some((sign, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(decoded(name), expected);
    }

    #[test]
    fn escapes() {
        check(
            "_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$shop..Ext$GT$::f",
            "<alloc::vec::Vec<T> as shop::Ext>::f",
        );
        check("core::str::_$LT$impl$u20$str$GT$::len", "core::str::<impl str>::len");
        check("drop_in_place$LT$$LP$u8$C$$RF$str$RP$$GT$", "drop_in_place<(u8,&str)>");
        check("cost$in$cents..now", "cost$in$cents..now");
        check("$u0a$", "$u0a$");
        check("$", "$");
    }
}
