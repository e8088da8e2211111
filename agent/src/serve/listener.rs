//! What callers come in through: a TCP port, the same with TLS, or a unix socket; and the one kind of stream they make.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::local::{Local, SocketFile};
#[cfg(feature = "tls")]
use super::tls::{Secured, Tls};

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Plain HTTP.
    Tcp(TcpListener),
    /// A file, which ends with the listening.
    Unix(UnixListener, SocketFile),
    /// HTTPS.
    #[cfg(feature = "tls")]
    Tls(TcpListener, Arc<Tls>),
}

/// How callers say where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Http,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "needs the feature"))]
    Https,
    File(PathBuf),
}

/// Somebody who has connected.
pub(super) enum Caller {
    Known(Stream),
    /// His handshake is still to come.
    #[cfg(feature = "tls")]
    Stranger(TcpStream, Arc<Tls>),
}

/// What is read from and written to.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<Secured>),
}

impl Listener {
    /// The socket of the file that `local` is. Called in a runtime.
    pub(crate) fn of_file(local: Local) -> io::Result<Self> {
        Ok(Self::Unix(UnixListener::from_std(local.listener)?, local.file))
    }

    pub(super) fn way(&self) -> Way {
        match self {
            Self::Tcp(_) => Way::Http,
            Self::Unix(_, file) => Way::File(file.path().to_owned()),
            #[cfg(feature = "tls")]
            Self::Tls(..) => Way::Https,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Caller> {
        match self {
            Self::Tcp(listener) => Ok(Caller::Known(Stream::Tcp(without_delay(listener.accept().await?.0)))),
            Self::Unix(listener, _) => Ok(Caller::Known(Stream::Unix(listener.accept().await?.0))),
            #[cfg(feature = "tls")]
            Self::Tls(listener, tls) => {
                Ok(Caller::Stranger(without_delay(listener.accept().await?.0), tls.clone()))
            }
        }
    }
}

impl Caller {
    /// The stream, after a handshake where one is needed, for which there is `time`.
    pub(super) async fn greeted(self, time: Duration) -> Option<Stream> {
        #[cfg(not(feature = "tls"))]
        let _ = time;
        match self {
            Self::Known(stream) => Some(stream),
            #[cfg(feature = "tls")]
            Self::Stranger(stream, tls) => match tokio::time::timeout(time, tls.greet(stream)).await {
                Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "no TLS handshake");
                    None
                }
                Err(_) => None,
            },
        }
    }
}

fn without_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

/// Does to the stream inside what is done to `$self`.
macro_rules! inside {
    ($self:ident, $stream:ident => $what:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $what,
            Stream::Unix($stream) => $what,
            #[cfg(feature = "tls")]
            Stream::Tls($stream) => $what,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inside!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inside!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, stream => Pin::new(stream).poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inside!(self, stream => Pin::new(stream).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
