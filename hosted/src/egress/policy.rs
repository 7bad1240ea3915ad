//! Which addresses nobody is let through to, judged on what is really connected to.

use super::Failure;
use core::net::{IpAddr, SocketAddr};
use sockhop::socks5::Refusal;

/// The addresses that are refused by default.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The proxy's own addresses: a connection to them would come back.
    pub own: Vec<IpAddr>,
    /// Whether this host's loopback addresses may be reached.
    pub loopback: bool,
}

impl Policy {
    /// Judges the address that would be connected to.
    ///
    /// # Errors
    /// [`Failure`] with `NotAllowed` and the way out, if there is one.
    pub fn judge(&self, at: SocketAddr) -> Result<SocketAddr, Failure> {
        let ip = at.ip().to_canonical();
        let text = if at.port() == 0 {
            return Err(Failure {
                refusal: Refusal::General,
                text: format!("{at}: port 0 cannot be reached"),
            });
        } else if self.own.contains(&ip) {
            "is the proxy's own address"
        } else if ip.is_unspecified() {
            "is the unspecified address, which would mean this host"
        } else if ip.is_loopback() && !self.loopback {
            "is this host's loopback; --allow loopback lets it through"
        } else if is_link_local(ip) {
            "is link-local, where metadata services live"
        } else if ip.is_multicast() || ip == IpAddr::V4(core::net::Ipv4Addr::BROADCAST) {
            "is an address of many"
        } else {
            return Ok(SocketAddr::new(ip, at.port()));
        };
        Err(Failure { refusal: Refusal::NotAllowed, text: format!("{ip} {text}") })
    }
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Option<Refusal> {
        let policy = Policy { own: vec!["198.18.0.2".parse().unwrap()], loopback: false };
        policy.judge(text.parse().unwrap()).err().map(|failure| failure.refusal)
    }

    #[test]
    fn the_proxy_itself_and_this_host_are_refused_in_every_spelling() {
        for address in [
            "198.18.0.2:1080",
            "[::ffff:198.18.0.2]:80",
            "0.0.0.0:80",
            "[::]:80",
            "[::ffff:0.0.0.0]:80",
            "127.0.0.1:80",
            "127.9.9.9:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "169.254.169.254:80",
            "[fe80::1]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
        ] {
            assert_eq!(verdict(address), Some(Refusal::NotAllowed), "{address}");
        }
    }

    #[test]
    fn everything_else_is_let_through_and_port_0_is_a_failure() {
        assert_eq!(verdict("192.0.2.1:80"), None);
        assert_eq!(verdict("[2001:db8::1]:80"), None);
        assert_eq!(verdict("192.0.2.1:0"), Some(Refusal::General));
    }

    #[test]
    fn loopback_is_let_through_when_asked_for() {
        let policy = Policy { own: vec![], loopback: true };
        assert!(policy.judge("127.0.0.1:80".parse().unwrap()).is_ok());
        assert!(policy.judge("[::ffff:127.0.0.1]:80".parse().unwrap()).is_ok());
        assert!(policy.judge("0.0.0.0:80".parse().unwrap()).is_err());
    }
}
