//! The ways in beside plain TCP: a unix socket, and TLS.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::serve::local::Local;

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("flamewatch-door-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// What is answered to a GET over `stream`.
fn get(mut stream: impl Read + Write, path: &str, headers: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    Answer::read(stream)
}

#[test]
fn a_unix_socket_needs_no_token_but_honors_one_and_ends_with_the_port() {
    let path = folder("unix").join("debug.sock");
    let at = path.clone();
    let ask = |headers: &str| get(UnixStream::connect(&at).expect("it listens"), "/debug/pprof/", headers);
    let open = |path: PathBuf| {
        move || {
            let local = Local::bind(&path).expect("a socket");
            (Listener::of_file(local).expect("a runtime"), Place::Unix(path))
        }
    };
    let mut port = Running::start(None, open(path.clone()));
    let page = ask("Host: localhost\r\n");
    let command = format!(
        "curl -OJ --unix-socket &#39;{}&#39; &#39;http://localhost/debug/pprof/heap&#39;",
        path.display()
    );
    assert!(page.status == 200 && page.text().contains(&command), "{}", page.text());
    // What stands in front of the socket may still be asked by a page of another site.
    assert_eq!(ask("Host: evil.example\r\n").status, 421);
    assert_eq!(ask("Host: localhost\r\nOrigin: http://evil.example\r\n").status, 403);
    port.stop();
    assert!(!path.exists());
    let _guarded = Running::start(Some("hunter2"), open(path.clone()));
    assert_eq!(ask("Host: localhost\r\n").status, 401);
    assert_eq!(ask("Host: localhost\r\nAuthorization: Bearer hunter2\r\n").status, 200);
}

#[cfg(feature = "tls")]
mod tls {
    use std::fs;
    use std::path::Path;
    use std::time::SystemTime;

    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;
    use crate::serve::tls::Tls;

    const FIRST: [&str; 2] = [
        include_str!("../../../../fixtures/data/tls/first.pem"),
        include_str!("../../../../fixtures/data/tls/first.key"),
    ];
    const SECOND: [&str; 2] = [
        include_str!("../../../../fixtures/data/tls/second.pem"),
        include_str!("../../../../fixtures/data/tls/second.key"),
    ];

    fn write(folder: &Path, [certificate, key]: [&str; 2]) -> [PathBuf; 2] {
        let files = [folder.join("tls.crt"), folder.join("tls.key")];
        fs::write(&files[0], certificate).expect("a certificate");
        fs::write(&files[1], key).expect("a key");
        files
    }

    fn start(files: &[PathBuf; 2], token: Option<&'static str>) -> Running {
        let tls = Arc::new(Tls::open(&files[0], &files[1]).expect("a certificate"));
        Running::start(token, move || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.set_nonblocking(true).expect("a flag");
            let address = listener.local_addr().expect("an address");
            let listener = TcpListener::from_std(listener).expect("a runtime");
            (Listener::Tls(listener, tls), Place::Tcp(address))
        })
    }

    /// A client that trusts `root` alone.
    fn client(port: &Running, root: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).expect("a certificate")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        StreamOwned::new(connection, port.connect())
    }

    const HOST: &str = "Host: localhost\r\n";

    #[test]
    fn tls_is_spoken_and_pages_know_it() {
        let files = write(&folder("tls"), FIRST);
        let port = start(&files, Some("hunter2"));
        let known = "Host: localhost\r\nAuthorization: Bearer hunter2\r\n";
        let page = get(client(&port, FIRST[0]), "/debug/pprof/", known);
        let command = "go tool pprof &#39;https://x:$TOKEN@localhost/debug/pprof/heap&#39;";
        assert!(page.status == 200 && page.text().contains(command), "{}", page.text());
        assert_eq!(get(client(&port, FIRST[0]), "/debug/pprof/", HOST).status, 401);
        // Who speaks plain HTTP to it is told nothing.
        assert_eq!(get(port.connect(), "/debug/health", known).status, 0);
    }

    /// Whoever does not get through a handshake has no more time than one who dribbles a head, and makes room as he does.
    #[test]
    fn a_handshake_that_dribbles_in_is_cut_off() {
        let files = write(&folder("slow"), FIRST);
        let port = start(&files, None);
        let begun = Instant::now();
        let silent: Vec<TcpStream> = (0..32).map(|_| port.connect()).collect();
        assert_eq!(get(client(&port, FIRST[0]), "/debug/health", HOST).status, 200);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        drop(silent);
        let begun = Instant::now();
        let mut slow = port.connect();
        slow.write_all(&[22, 3, 1]).expect("the first bytes of a handshake");
        assert!(!matches!(slow.read(&mut [0; 8]), Ok(1..)), "it is closed");
        let took = begun.elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&took), "{took:?}");
    }

    #[test]
    fn files_that_change_are_read_again_and_those_that_make_no_sense_are_not_taken() {
        let folder = folder("renewed");
        let files = write(&folder, FIRST);
        let tls = Tls::open(&files[0], &files[1]).expect("a certificate");
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        let shown = |at| tls.shown_at(at);
        let first = shown(later(0));
        assert_eq!(first, shown(later(6)), "nothing has changed");
        // The key alone is another's.
        let moved = SystemTime::now() + Duration::from_secs(2);
        let touch = |path: &Path| {
            fs::File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_modified(moved))
                .expect("a time");
        };
        write(&folder, [FIRST[0], SECOND[1]]);
        touch(&files[1]);
        assert_eq!(first, shown(later(12)), "halfway");
        write(&folder, SECOND);
        assert_eq!(first, shown(later(13)), "not looked at yet");
        let second = shown(later(18));
        assert_ne!(first, second);
        fs::remove_file(&files[0]).expect("a file");
        assert_eq!(second, shown(later(24)), "gone");
    }

    #[test]
    fn files_that_are_none_are_refused_by_name() {
        let folder = folder("wrong");
        let files = write(&folder, FIRST);
        let refused = |certificate: &Path, key: &Path, parts: &[&str]| {
            let error = Tls::open(certificate, key).expect_err("refused");
            let text = format!("{error:#}");
            assert!(
                error.kind() == ErrorKind::Invalid && parts.iter().all(|part| text.contains(part)),
                "{text}"
            );
            assert!(!text.contains("PRIVATE KEY"), "{text}");
        };
        let (nowhere, empty, large) = (folder.join("nowhere"), folder.join("empty"), folder.join("large"));
        fs::write(&empty, "").expect("a file");
        fs::write(&large, vec![b'x'; (1 << 20) + 1]).expect("a file");
        let [certificate, key] = &files;
        refused(&nowhere, key, &["cannot read", "nowhere (FLAMEWATCH_TLS_CERT)", "No such file"]);
        refused(certificate, &nowhere, &["cannot read", "nowhere (FLAMEWATCH_TLS_KEY)"]);
        refused(&empty, key, &["there is no certificate in PEM in", "empty (FLAMEWATCH_TLS_CERT)"]);
        refused(
            certificate,
            certificate,
            &["there is no private key in PEM in", "tls.crt (FLAMEWATCH_TLS_KEY)"],
        );
        refused(certificate, &large, &["larger than 1 MiB"]);
        refused(&folder, key, &["cannot read"]);
        write(&folder, [FIRST[0], SECOND[1]]);
        refused(certificate, key, &["FLAMEWATCH_TLS_CERT and FLAMEWATCH_TLS_KEY do not make a certificate"]);
    }
}
