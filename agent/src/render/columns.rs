//! A table in columns for terminals: nothing is cut, and the last column is as wide as it likes.

use std::io::{self, Write};

use super::plain::plain;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// Writes `heads` and `rows` below each other.
pub(super) fn write<const N: usize>(
    heads: [(&str, Set); N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = rows.map(|row| row.map(|cell| plain(&cell).into_owned()));
    let rows: Vec<[String; N]> =
        std::iter::once(heads.map(|(head, _)| head.to_owned())).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).zip(heads).map(|((cell, width), (_, set))| match set {
            Set::Left => format!("{cell:<width$}"),
            Set::Right => format!("{cell:>width$}"),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
