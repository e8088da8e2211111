//! Numbers as a metrics scraper wants them: families of one name and one meaning, each number with its labels.
//! Values alone; who reads them stands elsewhere, and so does the form they are written in.

/// Numbers that mean the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Family {
    /// Its name, in Prometheus' style: `process_open_fds`, `flamewatch_alerts_delivered_total`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it means, in a sentence.
    pub(crate) help: &'static str,
    pub(crate) figures: Vec<Figure>,
}

/// What a number may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grow, from the start of the process on. The name ends in `_total`.
    Counter,
    /// Rise and fall.
    Gauge,
}

/// One number. The labels of a family's figures differ.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
}

impl Family {
    /// A family of counters, still empty.
    pub(crate) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, help, figures: Vec::new() }
    }

    /// A family of gauges, still empty.
    pub(crate) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, help, figures: Vec::new() }
    }

    /// With this one number.
    pub(crate) fn of(self, value: f64) -> Self {
        self.with([], value)
    }

    /// With one number more.
    pub(crate) fn with<const N: usize>(mut self, labels: [(&'static str, &str); N], value: f64) -> Self {
        let labels = labels.map(|(key, value)| (key, value.to_owned())).to_vec();
        self.figures.push(Figure { labels, value });
        self
    }
}
