//! A table of functions by what they did themselves, in the columns of `go tool pprof -top`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::failure::Failure;
use crate::stacks::Stacks;

/// The most rows shown.
const MAX_ROWS: usize = 80;

/// What a function did itself, and with what it called.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    flat: i64,
    cumulative: i64,
}

/// The table for the value called `value`.
pub(crate) fn write(stacks: &Stacks<'_>, value: Option<&str>) -> Result<String, Failure> {
    let (index, unit) = stacks.value(value)?;
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut total = 0_i64;
    for (frames, sample) in stacks.iter() {
        let value = sample.value.get(index).copied().unwrap_or(0);
        total = total.saturating_add(value);
        if let Some(innermost) = frames.first() {
            let row = rows.entry(&innermost.name).or_default();
            row.flat = row.flat.saturating_add(value);
        }
        // A function that calls itself counts once.
        for name in frames.iter().map(|frame| &*frame.name).collect::<BTreeSet<_>>() {
            let row = rows.entry(name).or_default();
            row.cumulative = row.cumulative.saturating_add(value);
        }
    }
    let mut rows: Vec<(&str, Row)> = rows.into_iter().collect();
    rows.sort_by_key(|(_, row)| std::cmp::Reverse((row.flat, row.cumulative)));
    Ok(table(&rows, total, unit))
}

fn table(rows: &[(&str, Row)], total: i64, unit: &str) -> String {
    let mut text = format!("{} in all\n", amount(total, unit));
    let _ = writeln!(text, "{:>12} {:>7} {:>7} {:>12} {:>7}", "flat", "flat%", "sum%", "cum", "cum%");
    let mut sum = 0_i64;
    for (name, row) in rows.iter().take(MAX_ROWS) {
        sum = sum.saturating_add(row.flat);
        let [flat, so_far, cumulative] = [row.flat, sum, row.cumulative].map(|value| share(value, total));
        let (own, all) = (amount(row.flat, unit), amount(row.cumulative, unit));
        let _ = writeln!(text, "{own:>12} {flat:>7} {so_far:>7} {all:>12} {cumulative:>7}  {name}");
    }
    if let Some(more) = rows.len().checked_sub(MAX_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} more functions");
    }
    text
}

fn share(value: i64, total: i64) -> String {
    if total == 0 { "0.0%".to_owned() } else { format!("{:.1}%", 100.0 * value as f64 / total as f64) }
}

fn amount(value: i64, unit: &str) -> String {
    let size = value as f64;
    match unit {
        "bytes" if size.abs() >= 1024.0 * 1024.0 => format!("{:.2}MiB", size / 1024.0 / 1024.0),
        "bytes" if size.abs() >= 1024.0 => format!("{:.2}KiB", size / 1024.0),
        "bytes" => format!("{value}B"),
        "nanoseconds" => format!("{:.2}s", size / 1e9),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        let rows =
            [("work", Row { flat: 3072, cumulative: 3072 }), ("main", Row { flat: 1024, cumulative: 4096 })];
        let expected = "\
4.00KiB in all
        flat   flat%    sum%          cum    cum%
     3.00KiB   75.0%   75.0%      3.00KiB   75.0%  work
     1.00KiB   25.0%  100.0%      4.00KiB  100.0%  main
";
        assert_eq!(table(&rows, 4096, "bytes"), expected);
        let many: Vec<_> = (0..MAX_ROWS + 2).map(|_| ("main", Row::default())).collect();
        assert!(table(&many, 0, "count").ends_with("and 2 more functions\n"));
    }
}
