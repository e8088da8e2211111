//! How many messages days of faults lead to, on simulated readings.

use std::time::Duration;

use flamewatch_tests::{Build, findings};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn days_of_faults_lead_to_few_messages_and_none_is_late() {
    let found = findings("alert_sim", &[], Build::Optimized, LIMIT);
    let scenarios = found["scenarios"].as_array().expect("scenarios");
    let scenario = |name: &str| {
        scenarios.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} in {found}"))
    };
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"));
    let check = |name: &str, posts: f64, new: f64| {
        let ours = &scenario(name)["ours"];
        assert!(number(&ours["posts"]) <= posts && number(&ours["new"]) <= new, "{name}: {ours}");
    };
    check("steady leak, far from the limit", 3.0, 1.0);
    check("steady slow leak, to the limit", 3.0, 1.0);
    check("steady fast leak, to the limit", 3.0, 1.0);
    check("about the limit", 3.0, 1.0);
    check("over the limit and well below", 6.0, 1.0);
    check("single spikes", 0.0, 0.0);
    check("repeating spikes", 2.0, 1.0);
    check("deploys", 0.0, 0.0);
    check("incident", 2.0, 1.0);
    // 14 lives: that it leaks, that its limit is near, and that it has died once, three and ten times.
    check("crash loop", 5.0, 1.0);
    for one in scenarios {
        // Silence would hold every goal above but this one.
        let quiet = ["single spikes", "deploys"].iter().any(|name| one["name"] == *name);
        assert_eq!(one["ours"]["delay_s"].is_null(), quiet, "{one}");
        assert!(one["ours"]["delay_s"].as_f64().is_none_or(|delay| delay <= 120.0), "{one}");
    }
    // The usual answer to a slow leak is a message a minute.
    assert!(number(&scenario("steady slow leak, to the limit")["autopprof"]) > 1_000.0, "{found}");
}
