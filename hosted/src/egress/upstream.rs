//! Where another SOCKS5 server is, as people write it.

use core::fmt;
use core::str::FromStr;
use sockhop::wire::{HostOf, TargetOf};

/// A SOCKS5 server: `socks5://[USER:PASSWORD@]HOST[:PORT]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    pub(super) at: TargetOf<Vec<u8>>,
    pub(super) login: Option<(Vec<u8>, Vec<u8>)>,
}

impl Upstream {
    /// Returns where the server is.
    pub const fn at(&self) -> &TargetOf<Vec<u8>> {
        &self.at
    }

    /// Returns the name and the password it is given.
    pub const fn login(&self) -> Option<&(Vec<u8>, Vec<u8>)> {
        self.login.as_ref()
    }
}

impl fmt::Display for Upstream {
    /// Writes where it is, and no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socks5://{}", self.at)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({self})")
    }
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("socks5://").ok_or(format!("{text:?} does not begin with socks5://"))?;
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let login = match login {
            None => None,
            Some(login) => {
                let (user, password) = login.split_once(':').ok_or("a login is given as USER:PASSWORD@")?;
                let (user, password) = (unescaped(user)?, unescaped(password)?);
                if [&user, &password].iter().any(|text| !(1..=255).contains(&text.len())) {
                    return Err("user and password take 1 to 255 octets each (RFC 1929)".to_owned());
                }
                Some((user, password))
            }
        };
        let place = place.trim_end_matches('/');
        let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (bare(host), port.ok_or(format!("the port of {place:?} is not between 1 and 65535"))?)
            }
            Some(_) | None => (bare(place), 1_080),
        };
        if host.is_empty() || host.len() > 255 {
            return Err(format!("{text:?} names no server"));
        }
        let host = match host.parse() {
            Ok(ip) => HostOf::Ip(ip),
            Err(_) => HostOf::Name(host.into_bytes()),
        };
        Ok(Self { at: TargetOf { host, port }, login })
    }
}

/// Takes the percent signs out of a part of a URL (RFC 3986 §2.1).
fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let digits = more.first_chunk::<2>().and_then(|two| core::str::from_utf8(two).ok());
        let octet = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        octets.push(octet.ok_or(format!("{text:?} has a % without two hexadecimal digits"))?);
        rest = &more[2..];
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_with_its_login_and_shown_without() {
        for (text, shown, login) in [
            ("socks5://proxy.example", "socks5://proxy.example:1080", None),
            ("socks5://192.0.2.1:9050", "socks5://192.0.2.1:9050", None),
            ("socks5://[2001:db8::1]:99/", "socks5://[2001:db8::1]:99", None),
            ("socks5://ann:s%40cret@a:1", "socks5://a:1", Some((b"ann".to_vec(), b"s@cret".to_vec()))),
        ] {
            let upstream: Upstream = text.parse().expect(text);
            assert_eq!((upstream.to_string().as_str(), upstream.login), (shown, login));
        }
        for (text, said) in [
            ("http://a", "http://a"),
            ("socks5://", "names no server"),
            ("socks5://a:0", "\"a:0\""),
            ("socks5://a:65536", "\"a:65536\""),
            ("socks5://ann@a", "USER:PASSWORD"),
            ("socks5://ann:@a", "1 to 255"),
            ("socks5://a:%4@b", "%4"),
        ] {
            let error = text.parse::<Upstream>().expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
