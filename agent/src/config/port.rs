//! Where the debug port listens, and the certificate it shows there.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Environment, on_or_off};
use crate::{Error, ErrorKind};

/// Where the debug port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// Nowhere.
    Off,
    /// At the default; when that is taken, the agent goes on without a port and says so.
    Default,
    /// Where the user said; when that is taken, starting fails.
    At(Place),
}

/// What can be listened at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A file that is a socket, which who may open it says by its mode.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// The files of a certificate: both, or none and the port speaks plain HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl TlsFiles {
    pub(super) fn apply(&mut self, env: &Environment<'_>) -> Result<(), Error> {
        let path = |text: &str| Some(Some(PathBuf::from(text)));
        env.read("FLAMEWATCH_TLS_CERT", &mut self.certificate, path)?;
        env.read("FLAMEWATCH_TLS_KEY", &mut self.key, path)?;
        let (set, missing) = match (&self.certificate, &self.key) {
            (Some(_), None) => ("FLAMEWATCH_TLS_CERT", "FLAMEWATCH_TLS_KEY"),
            (None, Some(_)) => ("FLAMEWATCH_TLS_KEY", "FLAMEWATCH_TLS_CERT"),
            _ => return Ok(()),
        };
        let problem = format!("{set} is set, but {missing} is not: TLS needs both");
        Err(Error::new(ErrorKind::Invalid, problem))
    }

    /// The certificate's file and the key's.
    #[cfg(feature = "serve")]
    pub(crate) fn both(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }
}

pub(super) fn bind(text: &str) -> Option<Bind> {
    if on_or_off(text) == Some(false) {
        return Some(Bind::Off);
    }
    let place = match text.strip_prefix("unix:") {
        Some(path) => Place::Unix(socket_path(path)?),
        None => Place::Tcp(text.parse().ok()?),
    };
    Some(Bind::At(place))
}

/// From the root: where a service starts, and whether it stays there, is nothing to rely on. `unix:///run/x` is
/// `unix:/run/x`, as Docker and others write it.
fn socket_path(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("//").unwrap_or(text);
    (path.starts_with('/') && !path.ends_with('/')).then(|| Path::new(path).to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn with(set: &[(&str, &str)]) -> Result<Config, Error> {
        let mut config = Config::default();
        let look_up =
            |wanted: &str| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        config.apply(look_up)?;
        Ok(config)
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let bind = with(&[("FLAMEWATCH_BIND", text)]).map(|config| config.bind);
        match (bind, expected) {
            (Ok(Bind::At(place)), Some(expected)) => assert_eq!(place.to_string(), expected),
            (Err(error), None) => {
                let allowed = "ADDRESS:PORT such as 127.0.0.1:6060, unix:/PATH, or off";
                assert!(error.to_string().contains(allowed), "{error}");
            }
            (other, _) => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_address_or_a_path_from_the_root() {
        check("127.0.0.1:6060", Some("127.0.0.1:6060"));
        check("unix:/run/app/debug.sock", Some("unix:/run/app/debug.sock"));
        check("unix:///run/app/debug.sock", Some("unix:/run/app/debug.sock"));
        for wrong in ["localhost", "unix:", "unix:debug.sock", "unix:@debug", "unix:/run/app/", "/run/x"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_certificate_needs_its_key_and_a_key_its_certificate() {
        let (certificate, key) = (("FLAMEWATCH_TLS_CERT", "/c.pem"), ("FLAMEWATCH_TLS_KEY", "/k.pem"));
        for (half, missing) in [(certificate, key), (key, certificate)] {
            let error = with(&[half]).expect_err("must be refused").to_string();
            assert_eq!(error, format!("{} is set, but {} is not: TLS needs both", half.0, missing.0));
        }
        let config = with(&[certificate, key]).expect("both");
        assert_eq!(config.tls.certificate.as_deref(), Some(Path::new("/c.pem")));
        assert_eq!(config.tls.key.as_deref(), Some(Path::new("/k.pem")));
    }
}
