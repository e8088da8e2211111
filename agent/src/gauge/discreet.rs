//! A gauge of the service's own, whose words when it fails are not shown: they are the service's, or those of a client it
//! uses, and such words repeat addresses with passwords in them.

use std::io;

use super::Gauge;
use crate::Unit;

/// Reads as the gauge inside, and says of an error its kind alone, unless it is the system's.
pub(crate) struct Discreet(pub(crate) Box<dyn Gauge>);

impl Gauge for Discreet {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn unit(&self) -> Unit {
        self.0.unit()
    }

    fn read(&mut self) -> io::Result<f64> {
        self.0.read().map_err(|error| match error.raw_os_error() {
            Some(_) => error,
            None => io::Error::new(error.kind(), format!("{} (in words that are not shown)", error.kind())),
        })
    }

    fn evidence(&self) -> Option<&'static str> {
        self.0.evidence()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(fn() -> io::Error);

    impl Gauge for Failing {
        fn name(&self) -> &str {
            "failing"
        }

        fn unit(&self) -> Unit {
            Unit::Count
        }

        fn read(&mut self) -> io::Result<f64> {
            Err((self.0)())
        }
    }

    #[test]
    fn only_the_systems_words_are_shown() {
        let shown = |error| Discreet(Box::new(Failing(error))).read().expect_err("it fails").to_string();
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "postgres://shop:hunter2@db");
        assert_eq!(shown(refused), "connection refused (in words that are not shown)");
        assert_eq!(shown(|| io::Error::other("hunter2")), "other error (in words that are not shown)");
        assert_eq!(shown(|| io::Error::from_raw_os_error(2)), "No such file or directory (os error 2)");
    }
}
