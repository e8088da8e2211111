//! What a descriptor that may be a socket says of itself. Asks the kernel, changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket as far as it has addresses of the internet's protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
    /// True when it waits for others to connect.
    pub(crate) listens: bool,
}

type Ask = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// What `number` is at this moment. The number may be closed or given to something else meanwhile, then this tells of
/// that; of what is no socket it tells nothing.
pub(crate) fn look(number: i32) -> Socket {
    let mut listens: libc::c_int = 0;
    let mut length = length_of::<libc::c_int>();
    // SAFETY: getsockopt(2) writes at most `length` bytes to `listens`, which is as long; a number that is no socket is
    // an error and writes nothing.
    let status = unsafe {
        libc::getsockopt(
            number,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut listens).cast(),
            &raw mut length,
        )
    };
    Socket {
        local: address(number, libc::getsockname),
        peer: address(number, libc::getpeername),
        listens: status == 0 && listens != 0,
    }
}

fn address(number: i32, ask: Ask) -> Option<SocketAddr> {
    // SAFETY: a storage of zeros is one of no family; the type has no other conditions.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = length_of::<libc::sockaddr_storage>();
    // SAFETY: getsockname(2) and getpeername(2) write at most `length` bytes to the storage, which is as long.
    let status = unsafe { ask(number, (&raw mut storage).cast(), &raw mut length) };
    if status != 0 {
        return None;
    }
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel says by the family that a sockaddr_in was written, which fits and is aligned in a
            // storage, see sockaddr(3type).
            let address: libc::sockaddr_in =
                unsafe { (&raw const storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(address.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, of a sockaddr_in6.
            let address: libc::sockaddr_in6 =
                unsafe { (&raw const storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr).to_canonical();
            Some(SocketAddr::new(ip, u16::from_be(address.sin6_port)))
        }
        _ => None,
    }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_socket_tells_its_two_sides() {
        for here in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has nothing to show here.
            let Ok(listener) = TcpListener::bind(here) else { continue };
            let server = listener.local_addr().expect("an address");
            let client = TcpStream::connect(server).expect("a connection");
            let expected = Socket { local: client.local_addr().ok(), peer: Some(server), listens: false };
            assert_eq!(look(client.as_raw_fd()), expected);
            assert_eq!(look(listener.as_raw_fd()), Socket { local: Some(server), peer: None, listens: true });
        }
        let file = std::fs::File::open("/proc/self/stat").expect("a file");
        assert_eq!((look(file.as_raw_fd()), look(-1)), (Socket::default(), Socket::default()));
    }
}
