//! The types that a generic function is for, out of its name. Pure.

/// The first of the types in `poll<FUTURE, SCHEDULER>`.
pub(crate) fn first_parameter(name: &str) -> Option<&str> {
    let (_, parameters) = name.split_once('<')?;
    let mut depth = 0_i32;
    let end = parameters.char_indices().zip([' '].into_iter().chain(parameters.chars())).find(
        |((_, this), before)| {
            match this {
                '<' | '(' | '[' | '{' => depth += 1,
                // Not that of an arrow.
                '>' if *before == '-' => {}
                '>' | ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            depth < 0 || (depth == 0 && *this == ',')
        },
    );
    end.and_then(|((end, _), _)| parameters.get(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_future_is_the_first_parameter() {
        let check = |name, expected: Option<&str>| assert_eq!(first_parameter(name), expected, "{name}");
        check(
            "poll<shop::main::{async_block_env#0}, alloc::sync::Arc<Handle>>",
            Some("shop::main::{async_block_env#0}"),
        );
        check(
            "poll<Map<(A, B), fn(u8, [u8; 2]) -> Vec<u8>>, S>",
            Some("Map<(A, B), fn(u8, [u8; 2]) -> Vec<u8>>"),
        );
        check("poll<A>", Some("A"));
        check("poll", None);
        check("poll<A", None);
    }
}
