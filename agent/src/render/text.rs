//! The top functions as a table, for terminals and for `?debug=1`. Nothing is wrapped, cut or colored.

use std::io::{self, Write};

use super::caption::window;
use super::certainty::{self, Tally};
use super::plain::plain;
use super::top::{Row, Top};
use crate::Unit;
use crate::profile::Profile;

/// The most functions listed; how many more there are is said below the table.
const ROWS: usize = 30;

/// The most labels listed.
const LABELS: usize = 10;

/// What a table says of a profile, for who draws it otherwise than as text.
#[cfg(feature = "serve")]
#[derive(Debug)]
pub(crate) struct Report {
    /// What is shown, how sure it is, what was lost, and the profile's own remarks.
    pub(crate) head: Vec<String>,
    /// The top functions: flat, its share, its error, cum, its share, function, place.
    pub(crate) rows: Vec<[String; 7]>,
    /// How many functions there are beside them.
    pub(crate) more: usize,
    /// The top labels: value, share, label.
    pub(crate) labels: Vec<[String; 3]>,
}

/// The top `rows` functions of `profile` by the value at `value`.
#[cfg(feature = "serve")]
pub(super) fn report(profile: &Profile, value: usize, rows: usize) -> io::Result<Report> {
    let table = Table::new(profile, value);
    let mut head = Vec::new();
    table.head(profile, &mut head)?;
    let head = String::from_utf8_lossy(&head).trim_end().lines().map(str::to_owned).collect();
    let labels = table.top.labels.iter().take(LABELS);
    Ok(Report {
        head,
        rows: table.top.functions.iter().take(rows).map(|row| table.cells(row)).collect(),
        more: table.top.functions.len().saturating_sub(rows),
        labels: labels
            .map(|row| [table.show(row.cum.value), table.share(row.cum.value), plain(&row.name).into_owned()])
            .collect(),
    })
}

/// A longer name stands as it is and pushes its own line to the right, not the whole table.
const NAME_WIDTH: usize = 72;

pub(super) fn write(profile: &Profile, value: usize, out: &mut dyn Write) -> io::Result<()> {
    let table = Table::new(profile, value);
    table.head(profile, out)?;
    table.functions(out)?;
    table.labels(out)
}

struct Table<'p> {
    unit: Unit,
    value: usize,
    total: Tally,
    /// What 100 % is: the total, or all change of a delta, growth and shrinkage alike.
    whole: f64,
    signed: bool,
    top: Top<'p>,
}

impl<'p> Table<'p> {
    fn new(profile: &'p Profile, value: usize) -> Self {
        let total = Tally::total(profile, value);
        Self {
            unit: profile.values().get(value).map_or(Unit::Count, |value| value.unit()),
            value,
            total,
            whole: profile.iter().map(|stack| (stack.value(value) as f64).abs()).sum(),
            signed: profile.iter().any(|stack| stack.value(value) < 0),
            top: Top::of(profile, value),
        }
    }

    fn head(&self, profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
        let name = profile.values().get(self.value).map_or("", |value| value.name());
        let error = certainty::show(self.total.error());
        let net = if self.signed { " net" } else { "" };
        let space = if error.is_empty() { "" } else { " " };
        let (total, stacks) = (self.show(self.total.value), count(profile.len(), "stack"));
        writeln!(
            out,
            "{}: {name} {total}{net}{space}{error} in {stacks}, {}",
            profile.kind(),
            window(profile)
        )?;
        if self.signed {
            writeln!(
                out,
                "100 % is all change, growth and shrinkage together: {}",
                self.unit.show(self.whole)
            )?;
        }
        if let (Some((value, every)), 1..) = (&profile.period, self.total.samples()) {
            let samples = Unit::Count.show(self.total.samples() as f64);
            let every = value.unit().show(*every as f64);
            writeln!(
                out,
                "sampled: {samples} samples, one every {every} of {}; ± is one standard error",
                value.name()
            )?;
        }
        writeln!(out, "losses: {}", profile.losses.summary())?;
        profile.comments.iter().try_for_each(|comment| writeln!(out, "{}", plain(comment)))?;
        writeln!(out)
    }

    fn functions(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.top.functions.get(..ROWS).unwrap_or(&self.top.functions);
        let cells: Vec<[String; 7]> = rows.iter().map(|row| self.cells(row)).collect();
        let heads = ["flat", "flat%", "±", "cum", "cum%", "function", "place"].map(str::to_owned);
        let width = |column: usize| {
            let cells = std::iter::once(&heads).chain(&cells).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).filter(|width| *width <= NAME_WIDTH).max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4, 5].map(width);
        for [flat, flat_share, error, cum, cum_share, name, place] in std::iter::once(&heads).chain(&cells) {
            let [a, b, c, d, e, f] = widths;
            let line = format!(
                "{flat:>a$} {flat_share:>b$} {error:>c$} {cum:>d$} {cum_share:>e$}  {name:<f$}  {place}"
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        match self.top.functions.len().saturating_sub(ROWS) {
            0 => Ok(()),
            more => writeln!(out, "... and {}", count(more, "more function")),
        }
    }

    fn cells(&self, row: &Row<'_>) -> [String; 7] {
        let own = if row.flat.value == 0 { &row.cum } else { &row.flat };
        [
            self.show(row.flat.value),
            self.share(row.flat.value),
            certainty::show(own.error()),
            self.show(row.cum.value),
            self.share(row.cum.value),
            plain(&row.name).into_owned(),
            plain(&row.place()).into_owned(),
        ]
    }

    fn labels(&self, out: &mut dyn Write) -> io::Result<()> {
        let labels = self.top.labels.get(..LABELS).unwrap_or(&self.top.labels);
        if labels.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nby label:")?;
        let cells: Vec<_> = labels.iter().map(|row| (self.show(row.cum.value), row)).collect();
        let width = cells.iter().map(|(cell, _)| cell.chars().count()).max().unwrap_or(0);
        for (cell, row) in cells {
            let (share, name) = (self.share(row.cum.value), plain(&row.name));
            writeln!(out, "{cell:>width$} {share:>6}  {name}")?;
        }
        match self.top.labels.len().saturating_sub(LABELS) {
            0 => Ok(()),
            more => writeln!(out, "... and {}", count(more, "more label")),
        }
    }

    fn show(&self, value: i64) -> String {
        let sign = if self.signed && value > 0 { "+" } else { "" };
        format!("{sign}{}", self.unit.show(value as f64))
    }

    fn share(&self, value: i64) -> String {
        let share = if self.whole == 0.0 { 0.0 } else { value as f64 / self.whole * 100.0 };
        let sign = if self.signed && value > 0 { "+" } else { "" };
        format!("{sign}{share:.1}%")
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", Unit::Count.show(number as f64))
}
