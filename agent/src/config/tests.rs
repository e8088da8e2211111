//! Values from the environment, good and bad.

use super::*;

fn with(name: &'static str, value: &'static str) -> Result<Config, Error> {
    let mut config = Config::default();
    config.apply(|wanted| (wanted == name).then(|| value.to_owned()))?;
    Ok(config)
}

#[track_caller]
fn refused(name: &'static str, value: &'static str, expected: &str) {
    let error = with(name, value).expect_err("must be refused");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, expected));
}

#[test]
fn good_values_override_the_defaults() {
    assert_eq!(with("FLAMEWATCH_TICK", "250ms").expect("good").tick, Duration::from_millis(250));
    assert_eq!(with("FLAMEWATCH_HEAP_GROWTH", "8MiB").expect("good").heap_growth, Some(8 << 20));
    assert_eq!(with("FLAMEWATCH_HEAP_GROWTH", "off").expect("good").heap_growth, None);
    assert_eq!(with("FLAMEWATCH_TASK_GROWTH", " 12.5 ").expect("good").task_growth, Some(12.5));
    assert_eq!(with("FLAMEWATCH_BIND", "off").expect("good").bind, Bind::Off);
    assert_eq!(with("FLAMEWATCH_BIND", "").expect("good").bind, Bind::Default);
    assert_eq!(
        with("FLAMEWATCH_URL", "https://debug.shop/").expect("good").url.as_deref(),
        Some("https://debug.shop")
    );
    assert!(!with("FLAMEWATCH", "OFF").expect("good").enabled);
}

#[test]
fn a_bad_value_names_the_variable_the_value_and_what_is_allowed() {
    refused(
        "FLAMEWATCH_TICK",
        "fast",
        "FLAMEWATCH_TICK is \"fast\", but must be a duration from 100ms to 5m",
    );
    refused("FLAMEWATCH_TICK", "1ms", "FLAMEWATCH_TICK is \"1ms\", but must be a duration from 100ms to 5m");
    refused("FLAMEWATCH_CPU_HZ", "0", "FLAMEWATCH_CPU_HZ is \"0\", but must be a whole number from 1 to 999");
    refused(
        "FLAMEWATCH_BIND",
        "localhost",
        "FLAMEWATCH_BIND is \"localhost\", but must be ADDRESS:PORT such as 127.0.0.1:6060, unix:/PATH, or off",
    );
    refused(
        "FLAMEWATCH_RSS_SHARE",
        "85",
        "FLAMEWATCH_RSS_SHARE is \"85\", but must be a share of the memory limit from 0.05 to 1, or off",
    );
}

#[test]
fn a_secret_is_not_shown() {
    refused(
        "FLAMEWATCH_TOKEN",
        "hunter2",
        "FLAMEWATCH_TOKEN is a value of 7 characters (not shown), but must be at least 16 characters",
    );
    let config = with("FLAMEWATCH_TOKEN", "correct-horse-battery").expect("good");
    assert!(!format!("{config:?}").contains("correct-horse"));
}

#[test]
fn misspelt_variables_are_found() {
    let names = ["FLAMEWATCH_BIND", "FLAMEWATCH_BINDD", "PATH"].map(String::from);
    assert_eq!(Config::unknown(names.into_iter()), ["FLAMEWATCH_BINDD"]);
}

#[test]
fn every_variable_in_the_table_is_read() {
    for (name, _) in VARIABLES {
        let asked = std::cell::Cell::new(false);
        let _ = Config::default().apply(|wanted| {
            asked.set(asked.get() || wanted == *name);
            None
        });
        assert!(asked.get(), "{name} is never read");
    }
}
