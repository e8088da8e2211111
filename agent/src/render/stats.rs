//! Rates of routes and segments, and all gauges, as JSON: what an APM shows on its stats page.
//!
//! ```json
//! { "routes": [{"method": "GET", "path": "/", "count": 7, "in_flight": 0, "mean_seconds": 0.002, "m1_rate": 1.4,
//!    "m5_rate": 1.1, "m15_rate": 1.0, "mean_rate": 0.9}, …],
//!   "segments": [{"product": "mysql", "operation": "find", "collection": "bookings", "count": 7, …}, …],
//!   "gauges": [{"name": "tokio_global_queue_depth", "labels": {}, "value": 0.0}, …] }
//! ```
//! Rates are calls a second.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::figure::{Family, Kind};
use crate::meter::{Meter, Subject};

/// Writes `meters` and those of `figures` that are gauges.
pub(crate) fn json(meters: &[(Subject, Meter)], figures: &[Family], out: &mut dyn Write) -> io::Result<()> {
    let (mut routes, mut segments) = (Vec::new(), Vec::new());
    for (subject, meter) in meters {
        let rates = Rates::of(meter);
        match subject {
            Subject::Route { method, path } => routes.push(Route { method, path, rates }),
            Subject::Segment { product, operation, collection } => {
                segments.push(Segment { product, operation, collection, rates });
            }
        }
    }
    let gauges = figures.iter().filter(|family| family.kind == Kind::Gauge).flat_map(gauges).collect();
    serde_json::to_writer(&mut *out, &Document { routes, segments, gauges })?;
    out.write_all(b"\n")
}

fn gauges(family: &Family) -> impl Iterator<Item = Gauge<'_>> {
    family.figures.iter().map(|figure| Gauge {
        name: family.name,
        labels: figure.labels.iter().map(|(key, value)| (*key, &**value)).collect(),
        value: figure.value,
    })
}

#[derive(Serialize)]
struct Document<'m> {
    routes: Vec<Route<'m>>,
    segments: Vec<Segment<'m>>,
    gauges: Vec<Gauge<'m>>,
}

#[derive(Serialize)]
struct Route<'m> {
    method: &'m str,
    path: &'m str,
    #[serde(flatten)]
    rates: Rates,
}

#[derive(Serialize)]
struct Segment<'m> {
    product: &'m str,
    operation: &'m str,
    collection: &'m str,
    #[serde(flatten)]
    rates: Rates,
}

#[derive(Serialize)]
struct Gauge<'m> {
    name: &'static str,
    labels: BTreeMap<&'static str, &'m str>,
    value: f64,
}

#[derive(Serialize)]
struct Rates {
    count: u64,
    in_flight: u64,
    mean_seconds: f64,
    m1_rate: f64,
    m5_rate: f64,
    m15_rate: f64,
    mean_rate: f64,
}

impl Rates {
    fn of(meter: &Meter) -> Self {
        let [m1_rate, m5_rate, m15_rate] = meter.rates.all();
        Self {
            count: meter.count.calls,
            in_flight: meter.count.in_flight,
            mean_seconds: meter.mean().as_secs_f64(),
            m1_rate,
            m5_rate,
            m15_rate,
            mean_rate: meter.mean_rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::meter::{Count, Meters, TICK};

    #[test]
    fn routes_segments_and_gauges() {
        let mut meters = Meters::default();
        let names = ["mysql", "find\n<b>", "bookings"].map(str::to_owned);
        let [product, operation, collection] = names;
        let segment = Subject::Segment { product, operation, collection };
        let route = Subject::Route { method: "GET".to_owned(), path: "/".to_owned() };
        let count = Count { calls: 10, total: Duration::from_secs(1), in_flight: 2 };
        meters.tick(Duration::ZERO, []);
        meters.tick(TICK, [(segment, count), (route, count)]);
        let figures = [
            Family::gauge("depth", "").with([("queue", "a\"b")], 3.0),
            Family::counter("served_total", "").of(9.0),
        ];
        let mut out = Vec::new();
        json(&meters.all(), &figures, &mut out).expect("JSON");
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let route = &value["routes"][0];
        assert_eq!(
            (&route["path"], &route["m1_rate"], &route["mean_seconds"]),
            (&"/".into(), &2.0.into(), &0.1.into())
        );
        let segment = &value["segments"][0];
        assert_eq!((&segment["operation"], &segment["in_flight"]), (&"find\n<b>".into(), &2.into()));
        assert_eq!(
            value["gauges"].to_string(),
            r#"[{"labels":{"queue":"a\"b"},"name":"depth","value":3.0}]"#
        );
    }
}
