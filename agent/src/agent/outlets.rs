//! The sinks that the settings name besides Slack and the folder: a webhook, PagerDuty, a Pyroscope. An error names the
//! variable; one that this build lacks the feature for is logged and left out. And how all of them do, for a page.

use crate::Error;
use crate::config::Config;
use crate::desk::Outlet;
use crate::sink::{Sink, Status};

/// One for each that is set.
///
/// # Errors
/// `Invalid` for a setting that is not allowed, `Io` for a template that cannot be read; names the variable.
pub(super) fn of(config: &Config) -> Result<Vec<Box<dyn Sink>>, Error> {
    warn_of_halves(config);
    let all = [webhook(config)?, pagerduty(config)?, pyroscope(config)?];
    Ok(all.into_iter().flatten().collect())
}

/// How `sinks` do, for the page.
pub(super) fn shown(sinks: Vec<Status>) -> Vec<Outlet> {
    let outlet = |status: Status| Outlet {
        name: status.name,
        sent: status.sent,
        retried: status.retried,
        dropped: status.dropped,
        files_left_out: status.files_left_out,
        waiting: status.waiting,
        last_error: status.last_error,
        last_sent: status.last_sent,
        down_since: status.down_since,
    };
    sinks.into_iter().map(outlet).collect()
}

type Found = Result<Option<Box<dyn Sink>>, Error>;

#[cfg(feature = "webhook")]
fn webhook(config: &Config) -> Found {
    use crate::sink::Webhook;
    let Some(url) = &config.webhook else { return Ok(None) };
    let mut webhook = Webhook::new(&url.0).map_err(|error| naming("FLAMEWATCH_WEBHOOK", error))?;
    if let Some(secret) = &config.webhook_secret {
        webhook = webhook.signed(&secret.0).map_err(|error| naming("FLAMEWATCH_WEBHOOK_SECRET", error))?;
    }
    if let Some(path) = &config.webhook_template {
        webhook =
            webhook.template_file(path).map_err(|error| naming("FLAMEWATCH_WEBHOOK_TEMPLATE", error))?;
    }
    Ok(Some(Box::new(webhook)))
}

#[cfg(not(feature = "webhook"))]
fn webhook(config: &Config) -> Found {
    Ok(lacking("FLAMEWATCH_WEBHOOK", "webhook", config.webhook.is_some()))
}

#[cfg(feature = "pagerduty")]
fn pagerduty(config: &Config) -> Found {
    use crate::sink::PagerDuty;
    let Some(key) = &config.pagerduty_key else { return Ok(None) };
    let mut pagerduty = PagerDuty::new(&key.0).map_err(|error| naming("FLAMEWATCH_PAGERDUTY_KEY", error))?;
    if let Some(url) = &config.pagerduty_url {
        pagerduty = pagerduty.at(url).map_err(|error| naming("FLAMEWATCH_PAGERDUTY_URL", error))?;
    }
    Ok(Some(Box::new(pagerduty)))
}

#[cfg(not(feature = "pagerduty"))]
fn pagerduty(config: &Config) -> Found {
    Ok(lacking("FLAMEWATCH_PAGERDUTY_KEY", "pagerduty", config.pagerduty_key.is_some()))
}

#[cfg(feature = "pyroscope")]
fn pyroscope(config: &Config) -> Found {
    use crate::sink::Pyroscope;
    let Some(url) = &config.pyroscope else { return Ok(None) };
    let mut pyroscope = Pyroscope::new(&url.0).map_err(|error| naming("FLAMEWATCH_PYROSCOPE", error))?;
    if let Some(tenant) = &config.pyroscope_tenant {
        pyroscope = pyroscope.tenant(tenant).map_err(|error| naming("FLAMEWATCH_PYROSCOPE_TENANT", error))?;
    }
    Ok(Some(Box::new(pyroscope)))
}

#[cfg(not(feature = "pyroscope"))]
fn pyroscope(config: &Config) -> Found {
    Ok(lacking("FLAMEWATCH_PYROSCOPE", "pyroscope", config.pyroscope.is_some()))
}

#[cfg(any(feature = "webhook", feature = "pagerduty", feature = "pyroscope"))]
fn naming(variable: &str, error: Error) -> Error {
    Error::new(error.kind(), format!("cannot use {variable}")).because(format!("{error:#}"))
}

#[cfg(not(all(feature = "webhook", feature = "pagerduty", feature = "pyroscope")))]
fn lacking(variable: &str, feature: &str, is_set: bool) -> Option<Box<dyn Sink>> {
    if is_set {
        tracing::warn!("flamewatch: {variable} is set, but this build has no `{feature}` feature");
    }
    None
}

/// A part of a setting without the whole is most likely a mistake, though no reason not to start.
fn warn_of_halves(config: &Config) {
    let halves = [
        (
            "FLAMEWATCH_WEBHOOK_SECRET",
            config.webhook_secret.is_some(),
            "FLAMEWATCH_WEBHOOK",
            config.webhook.is_some(),
        ),
        (
            "FLAMEWATCH_WEBHOOK_TEMPLATE",
            config.webhook_template.is_some(),
            "FLAMEWATCH_WEBHOOK",
            config.webhook.is_some(),
        ),
        (
            "FLAMEWATCH_PAGERDUTY_URL",
            config.pagerduty_url.is_some(),
            "FLAMEWATCH_PAGERDUTY_KEY",
            config.pagerduty_key.is_some(),
        ),
        (
            "FLAMEWATCH_PYROSCOPE_TENANT",
            config.pyroscope_tenant.is_some(),
            "FLAMEWATCH_PYROSCOPE",
            config.pyroscope.is_some(),
        ),
    ];
    for (half, is_set, whole, has_whole) in halves {
        if is_set && !has_whole {
            tracing::warn!("flamewatch: {half} is set and {whole} is not, so it does nothing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut config = Config::default();
        let look_up = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let sinks = config.apply(look_up).and_then(|()| of(&config)).map_err(|error| format!("{error:#}"))?;
        Ok(sinks.iter().map(|sink| sink.name().to_owned()).collect())
    }

    #[track_caller]
    fn refused(variables: &[(&str, &str)], expected: &str) {
        let error = found(variables).expect_err("refused");
        assert!(error.starts_with(expected) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_set_is_there() {
        assert_eq!(found(&[]), Ok(Vec::new()));
        let all = [
            ("FLAMEWATCH_WEBHOOK", "http://receiver.monitoring:8080/alerts"),
            ("FLAMEWATCH_WEBHOOK_SECRET", "correct-horse-battery"),
            ("FLAMEWATCH_PAGERDUTY_KEY", "0123456789abcdef0123456789abcdef"),
            ("FLAMEWATCH_PAGERDUTY_URL", "https://events.eu.pagerduty.com"),
            ("FLAMEWATCH_PYROSCOPE", "https://user:hunter2@pyroscope.example"),
            ("FLAMEWATCH_PYROSCOPE_TENANT", "team-7"),
        ];
        #[cfg(all(feature = "webhook", feature = "pagerduty", feature = "pyroscope"))]
        assert_eq!(found(&all), Ok(["webhook", "pagerduty", "pyroscope"].map(String::from).to_vec()));
        #[cfg(not(any(feature = "webhook", feature = "pagerduty", feature = "pyroscope")))]
        assert_eq!(found(&all), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_names_its_variable_and_no_secret() {
        refused(
            &[("FLAMEWATCH_WEBHOOK", "hunter2")],
            "FLAMEWATCH_WEBHOOK is a value of 7 characters (not shown), but must be the http or https URL",
        );
        refused(
            &[("FLAMEWATCH_PAGERDUTY_KEY", "hunter2")],
            "FLAMEWATCH_PAGERDUTY_KEY is a value of 7 characters",
        );
        refused(
            &[("FLAMEWATCH_WEBHOOK_SECRET", "hunter2")],
            "FLAMEWATCH_WEBHOOK_SECRET is a value of 7 characters",
        );
        #[cfg(feature = "webhook")]
        refused(
            &[("FLAMEWATCH_WEBHOOK", "http://:hunter2@/x")],
            "cannot use FLAMEWATCH_WEBHOOK: the webhook is not a URL: empty host",
        );
        #[cfg(feature = "webhook")]
        refused(
            &[("FLAMEWATCH_WEBHOOK", "http://receiver/"), ("FLAMEWATCH_WEBHOOK_TEMPLATE", "/nowhere/t.json")],
            "cannot use FLAMEWATCH_WEBHOOK_TEMPLATE: cannot use the webhook's template /nowhere/t.json: ",
        );
        #[cfg(feature = "pagerduty")]
        refused(
            &[
                ("FLAMEWATCH_PAGERDUTY_KEY", "0123456789abcdef0123456789abcdef"),
                ("FLAMEWATCH_PAGERDUTY_URL", "http://events.pagerduty.com"),
            ],
            "cannot use FLAMEWATCH_PAGERDUTY_URL: the PagerDuty address must be an https URL",
        );
    }
}
