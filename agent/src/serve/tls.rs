//! HTTPS on the debug port: a certificate from two files, which are read again when they have changed, since whoever
//! renews certificates rewrites the files and tells nobody.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::{Error, ErrorKind};

/// How often the files are looked at, at most: when somebody connects.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The largest file that is taken for a certificate or a key; a chain of four has less than 10 KiB.
const MAX_FILE: u64 = 1 << 20;

/// A stream after its handshake.
pub(super) type Secured = TlsStream<TcpStream>;

/// The certificate that callers are shown.
pub(crate) struct Tls {
    files: Files,
    now: Mutex<Now>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What is shown now.
struct Now {
    config: Arc<ServerConfig>,
    /// Of the files as they were last read, whatever came of it.
    mark: Option<Mark>,
    looked: Instant,
}

/// What tells that a file has changed, of both.
type Mark = [(Option<SystemTime>, u64); 2];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// `Invalid` for a file that cannot be read, has no certificate or key in it, or a key that is another certificate's.
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        // Before the reading, so that what changes meanwhile is read again.
        let mark = files.mark();
        let config = Arc::new(files.read()?);
        Ok(Self { files, now: Mutex::new(Now { config, mark, looked: Instant::now() }) })
    }

    /// The handshake with a caller.
    pub(super) async fn greet(&self, stream: TcpStream) -> io::Result<Secured> {
        let config = match self.claim_look(Instant::now()) {
            Some(mark) => self.looked_again(mark).await,
            None => self.config(),
        };
        TlsAcceptor::from(config).accept(stream).await
    }

    /// What would be shown to one who connects at `at`.
    #[cfg(test)]
    pub(super) fn shown_at(&self, at: Instant) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let config = match self.claim_look(at) {
            Some(mark) => runtime.block_on(self.looked_again(mark)),
            None => self.config(),
        };
        Arc::as_ptr(&config).addr()
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// The mark to compare with, for the one caller whose turn it is to look.
    fn claim_look(&self, at: Instant) -> Option<Option<Mark>> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = at.saturating_duration_since(now.looked) >= LOOK_EVERY;
        is_due.then(|| {
            now.looked = at;
            now.mark
        })
    }

    /// Reads the files again if they have changed; keeps what there is if they make no sense, as they do for a moment
    /// where one is written after the other.
    async fn looked_again(&self, known: Option<Mark>) -> Arc<ServerConfig> {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mark = files.mark();
            (mark != known).then(|| (mark, files.read()))
        });
        let Ok(Some((mark, read))) = read.await else { return self.config() };
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(config) => {
                tracing::info!("flamewatch: the debug port has a new certificate");
                (now.config, now.mark) = (Arc::new(config), mark);
            }
            // They are read again at the next look, too.
            Err(error) => tracing::warn!("flamewatch: the debug port keeps its certificate: {error:#}"),
        }
        now.config.clone()
    }
}

impl Files {
    fn mark(&self) -> Option<Mark> {
        let mark = |file: Metadata| (file.modified().ok(), file.len());
        Some([fs::metadata(&self.certificate).map(mark).ok()?, fs::metadata(&self.key).map(mark).ok()?])
    }

    fn read(&self) -> Result<ServerConfig, Error> {
        let chain = read(&self.certificate, "FLAMEWATCH_TLS_CERT")?;
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| useless(&self.certificate, "FLAMEWATCH_TLS_CERT", "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key, "FLAMEWATCH_TLS_KEY")?)
            .map_err(|_| useless(&self.key, "FLAMEWATCH_TLS_KEY", "private key"))?;
        let unfit = |error: rustls::Error| {
            let context = "FLAMEWATCH_TLS_CERT and FLAMEWATCH_TLS_KEY do not make a certificate";
            Error::new(ErrorKind::Invalid, context).because(error)
        };
        // Named, and not left to rustls: it panics where a service links two.
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config =
            builder.map_err(unfit)?.with_no_client_auth().with_single_cert(chain, key).map_err(unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn read(path: &Path, variable: &str) -> Result<Vec<u8>, Error> {
    let wrong = |error: io::Error| {
        let context = format!("cannot read {} ({variable})", path.display());
        Error::new(ErrorKind::Invalid, context).because(error)
    };
    let length = fs::metadata(path).map_err(wrong)?.len();
    if length > MAX_FILE {
        return Err(wrong(io::Error::other("it is larger than 1 MiB")));
    }
    fs::read(path).map_err(wrong)
}

fn useless(path: &Path, variable: &str, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("there is no {what} in PEM in {} ({variable})", path.display()))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}
