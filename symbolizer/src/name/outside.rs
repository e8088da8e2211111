//! Where a name's brackets are: what of it stands outside of them, and the parts of a path between its `::`.

/// What C++ may write behind `operator` that would else be a bracket; a longer one before its own beginning.
const OPERATORS: &[&str] =
    &["<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">", "()", "[]", " new[]", " delete[]"];

/// The characters of a name outside of all brackets, with their places; of brackets, the opening ones.
#[derive(Clone, Debug)]
pub(crate) struct Outside<'name> {
    name: &'name str,
    at: usize,
    depth: usize,
    before: char,
    /// Up to here stands the name of an operator, in which `<` is no bracket. Not shown.
    plain: usize,
}

pub(crate) fn outside(name: &str) -> Outside<'_> {
    Outside { name, at: 0, depth: 0, before: ' ', plain: 0 }
}

impl Iterator for Outside<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.name.get(self.at..)?;
            let (index, character) = (self.at, rest.chars().next()?);
            if let Some(operator) = rest.strip_prefix("operator").filter(|_| !is_word(self.before)) {
                let found = OPERATORS.iter().find(|sign| operator.starts_with(**sign));
                self.plain = index + "operator".len() + found.map_or(0, |sign| sign.len());
            }
            let arrow = self.before == '-' && character == '>';
            self.at += character.len_utf8();
            self.before = character;
            match character {
                _ if index < self.plain => continue,
                _ if arrow => {}
                '<' | '(' | '[' | '{' => self.depth += 1,
                '>' | ')' | ']' | '}' => {
                    self.depth = self.depth.saturating_sub(1);
                    continue;
                }
                _ => {}
            }
            let opens = self.depth == 1 && matches!(character, '<' | '(' | '[' | '{');
            if self.depth == 0 || opens {
                return Some((index, character));
            }
        }
    }
}

/// The parts of the path `name` between those `::` that stand outside of brackets.
pub(crate) fn segments(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(name);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, after) = split(text, "::").map_or((text, None), |(part, after)| (part, Some(after)));
        rest = after;
        Some(part)
    })
}

/// `name` before and after the first `sign` that stands outside of brackets.
pub(crate) fn split<'name>(name: &'name str, sign: &str) -> Option<(&'name str, &'name str)> {
    let found = outside(name).map(|(index, _)| index).find(|index| starts_at(name, *index, sign))?;
    Some((name.get(..found)?, name.get(found + sign.len()..)?))
}

/// `name` up to the first of `signs` that stands outside of brackets, but never nothing.
pub(crate) fn before<'name>(name: &'name str, signs: &[char]) -> &'name str {
    let found = outside(name).find(|(index, character)| *index > 0 && signs.contains(character));
    found.and_then(|(index, _)| name.get(..index)).unwrap_or(name)
}

fn starts_at(name: &str, index: usize, sign: &str) -> bool {
    name.get(index..).is_some_and(|rest| rest.starts_with(sign))
}

/// True for what a name's word may be made of.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &[&str]) {
        assert_eq!(segments(name).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_path_is_split_outside_of_brackets() {
        check("shop::orders::place", &["shop", "orders", "place"]);
        check("<a::B<c::D> as e::F>::g", &["<a::B<c::D> as e::F>", "g"]);
        check("a::<impl b::C for [d::E]>::f", &["a", "<impl b::C for [d::E]>", "f"]);
        check("f<fn(a::B) -> c::D, e::F>::{g::h}", &["f<fn(a::B) -> c::D, e::F>", "{g::h}"]);
        check("std::operator>><std::less<int> >(a::B&)", &["std", "operator>><std::less<int> >(a::B&)"]);
        check("a::operator()(b::C)", &["a", "operator()(b::C)"]);
        check("a::cooperator<b::C>", &["a", "cooperator<b::C>"]);
        check("a>b::c", &["a>b", "c"]);
        check("a<b::c", &["a<b::c"]);
        check("", &[""]);
    }
}
