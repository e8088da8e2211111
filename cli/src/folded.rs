//! Collapsed stacks, as flame graph tools read them: `main;work;malloc 4096`, each stack once, sorted.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::stacks::Stacks;

/// The lines for the value called `value`.
pub(crate) fn write(stacks: &Stacks<'_>, value: Option<&str>) -> Result<String, Failure> {
    let (index, _) = stacks.value(value)?;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (frames, sample) in stacks.iter() {
        let names: Vec<String> = frames.iter().rev().map(|frame| plain(&frame.name)).collect();
        let sum = sums.entry(names.join(";")).or_default();
        *sum = sum.saturating_add(sample.value.get(index).copied().unwrap_or(0));
    }
    let lines = sums.into_iter().filter(|(stack, sum)| *sum != 0 && !stack.is_empty());
    Ok(lines.map(|(stack, sum)| format!("{stack} {sum}\n")).collect())
}

/// A name without what separates names and stacks.
fn plain(name: &str) -> String {
    name.replace(';', ":").replace(['\n', '\r'], " ")
}
