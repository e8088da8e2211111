//! `/debug/history`: the last hour of every gauge and the rules on it, for the charts of the overview and for programs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;

use super::Port;
use super::answer::{self, Refusal};
use super::ask::{Ask, Form};
use crate::desk::{Chart, Charts, Mark};
use crate::render::Format;
use crate::{Error, ErrorKind};

/// What is answered.
#[derive(Serialize)]
struct History<'c> {
    /// Seconds since the start of the agent, as in the points.
    now: f64,
    gauges: Vec<Gauge<'c>>,
}

#[derive(Serialize)]
struct Gauge<'c> {
    name: &'c str,
    unit: &'static str,
    value: Option<f64>,
    /// The value for people.
    shown: Option<String>,
    problem: Option<&'c str>,
    rules: Vec<Rule<'c>>,
    /// Seconds and value, the oldest first.
    points: Vec<(f64, f64)>,
}

#[derive(Serialize)]
struct Rule<'c> {
    name: &'c str,
    limit: Option<f64>,
    standing: &'c str,
    fires: bool,
}

pub(super) async fn show(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let ask = asked(&uri)?;
    let json = serde_json::to_vec(&history(&port.desk.charts(), ask.since));
    let json = json.map_err(|error| Error::new(ErrorKind::Io, "cannot write the history").because(error))?;
    Ok(answer::ok(Form::Json.media_type(), json))
}

/// The same checks, no work.
pub(super) async fn head(uri: Uri) -> Result<Response, Refusal> {
    asked(&uri)?;
    Ok(answer::ok(Form::Json.media_type(), Vec::new()))
}

fn asked(uri: &Uri) -> Result<Ask, Refusal> {
    let ask = Ask::of(uri)?;
    match ask.format {
        None | Some(Format::Json) => Ok(ask),
        Some(_) => Err(Refusal::invalid("the history comes as ?format=json")),
    }
}

/// What `charts` say of the time after `since`, in seconds.
fn history(charts: &Charts, since: Option<u64>) -> History<'_> {
    let since = since.map_or(f64::NEG_INFINITY, |since| since as f64);
    let gauges = charts.charts.iter().map(|chart| gauge(chart, since)).collect();
    History { now: rounded(charts.now.as_secs_f64()), gauges }
}

fn gauge(chart: &Chart, since: f64) -> Gauge<'_> {
    let points = chart.points.iter().filter(|(seconds, _)| *seconds > since);
    Gauge {
        name: &chart.gauge,
        unit: chart.unit.as_str(),
        value: chart.value,
        shown: chart.value.map(|value| chart.unit.show(value)),
        problem: chart.problem.as_deref(),
        rules: chart.marks.iter().map(rule).collect(),
        points: points.map(|(seconds, value)| (rounded(*seconds), rounded(*value))).collect(),
    }
}

fn rule(mark: &Mark) -> Rule<'_> {
    let Mark { rule, limit, standing, fires } = mark;
    Rule { name: rule, limit: *limit, standing, fires: *fires }
}

/// Three decimals are more than a chart shows.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
