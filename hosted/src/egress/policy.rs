//! Who may go where, judged on the address that is really connected to.
//!
//! The owner's rules come first, in their order, and the first that fits decides. What none of them fits is let
//! through unless it is this host, a link-local address, or an address of many.

use super::Failure;
use crate::resolve::Names;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::RangeInclusive;
use core::str::FromStr;
use sockhop::socks5::Refusal;

/// What is known of a request beside the address it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The user, or nothing for a client that was not asked.
    pub user: String,
    /// The name that was asked for, if it was one.
    pub name: Option<String>,
}

/// Which addresses a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Any,
    Loopback,
    LinkLocal,
    Net(IpAddr, u8),
    /// A name, or every name under it if it begins with a dot.
    Name(String),
}

/// One rule: `[USER@]WHAT[:PORT[-PORT]]`.
///
/// WHAT is `any`, `loopback`, `link-local`, an address, a network as in `10.0.0.0/8` or `[2001:db8::/32]`, a name, or
/// all names under a domain as in `.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    allows: bool,
    user: Option<String>,
    what: What,
    ports: RangeInclusive<u16>,
    text: String,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{} {}", if self.allows { "allow" } else { "deny" }, self.text)
    }
}

impl Rule {
    /// Reads a rule that lets through, or one that does not.
    ///
    /// # Errors
    /// A sentence that names the part that cannot be read.
    pub fn new(text: &str, allows: bool) -> Result<Self, String> {
        let (user, rest) = match text.split_once('@') {
            Some(("", _)) => return Err(format!("{text:?} names no user before the @")),
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        let (what, ports) = split_ports(rest)?;
        let ports = match ports {
            None => 0..=u16::MAX,
            Some(ports) => {
                read_ports(ports).ok_or(format!("{ports:?} is neither a port nor two with a dash"))?
            }
        };
        Ok(Self { allows, user, what: what.parse()?, ports, text: text.to_owned() })
    }

    fn fits(&self, asked: &Asked, ip: Option<IpAddr>, port: u16) -> bool {
        self.ports.contains(&port) && self.fits_but_for_ports(asked, ip)
    }

    /// As [`fits`](Self::fits) for something without a port: it fits if it allows some, or denies all.
    fn fits_some_port(&self, asked: &Asked, ip: Option<IpAddr>) -> bool {
        (self.allows || self.ports == (0..=u16::MAX)) && self.fits_but_for_ports(asked, ip)
    }

    fn fits_but_for_ports(&self, asked: &Asked, ip: Option<IpAddr>) -> bool {
        let user = self.user.as_ref().is_none_or(|user| *user == asked.user);
        user && self.what.fits(asked.name.as_deref(), ip)
    }
}

/// Parts the ports from what stands before them; an IPv6 address stands in brackets if ports follow.
fn split_ports(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(format!("{text:?} has no closing bracket"))?;
        return match after.strip_prefix(':') {
            Some(ports) => Ok((inside, Some(ports))),
            None if after.is_empty() => Ok((inside, None)),
            None => Err(format!("{after:?} behind the bracket is no port")),
        };
    }
    Ok(match text.split_once(':') {
        // More than one colon is an IPv6 address.
        Some((what, ports)) if !ports.contains(':') => (what, Some(ports)),
        Some(_) | None => (text, None),
    })
}

fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(from..=to)
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "any" => return Ok(Self::Any),
            "loopback" => return Ok(Self::Loopback),
            "link-local" => return Ok(Self::LinkLocal),
            _ => {}
        }
        let (address, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        if let Ok(ip) = address.parse::<IpAddr>() {
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok().filter(|bits| *bits <= most));
            return match prefix {
                Some(prefix) => Ok(Self::Net(ip, prefix)),
                None => Err(format!("the prefix length of {text:?} is not between 0 and {most}")),
            };
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let digits = address.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
        if prefix.is_some() || text.is_empty() || digits || !text.chars().all(plain) {
            return Err(format!("{text:?} is no address, network or name, nor any, loopback or link-local"));
        }
        Ok(Self::Name(text.trim_end_matches('.').to_ascii_lowercase()))
    }
}

impl What {
    fn fits(&self, name: Option<&str>, ip: Option<IpAddr>) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => ip.is_some_and(|ip| ip.is_loopback()),
            Self::LinkLocal => ip.is_some_and(is_link_local),
            Self::Net(net, prefix) => ip.is_some_and(|ip| is_within(ip, *net, *prefix)),
            Self::Name(pattern) => name.is_some_and(|name| {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                if pattern.starts_with('.') { name.ends_with(pattern) } else { name == *pattern }
            }),
        }
    }
}

fn is_within(ip: IpAddr, net: IpAddr, prefix: u8) -> bool {
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => {
            (ip.to_bits() ^ net.to_bits()).checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(net)) => {
            (ip.to_bits() ^ net.to_bits()).checked_shr(128 - u32::from(prefix)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Whether somebody is let through, and what decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The address that is connected to: IPv4 if it was an IPv4 address within IPv6.
    pub at: SocketAddr,
    /// What the client is told, if it is refused.
    pub refusal: Option<Refusal>,
    /// What decided.
    pub because: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refusal {
            None => write!(f, "{} is let through: {}", self.at, self.because),
            Some(refusal) => {
                write!(f, "{} is refused with code {}: {}", self.at, refusal.code(), self.because)
            }
        }
    }
}

/// The rules, and what is refused without any.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The proxy's own addresses: a connection to them would come back.
    pub own: Vec<IpAddr>,
    /// Where the proxy listens on this host: a connection there would come back as well.
    pub listening: Vec<SocketAddr>,
    /// The host's addresses on the proxy's own TUN: what is routed from one of them leads back into it.
    pub tun: Vec<IpAddr>,
    /// Whether connections begin on the stack, from where this host's loopback cannot be reached.
    pub from_stack: bool,
    /// The owner's rules, in their order.
    pub rules: Vec<Rule>,
    /// Who says which addresses a name has.
    pub names: Names,
}

impl Policy {
    /// Returns the address to connect to, if it may be.
    ///
    /// # Errors
    /// [`Failure`] with what the client is told and what decided.
    pub fn judge(&self, asked: &Asked, at: SocketAddr) -> Result<SocketAddr, Failure> {
        let verdict = self.explain(asked, at);
        match verdict.refusal {
            None => Ok(verdict.at),
            Some(refusal) => Err(Failure { refusal, text: format!("{} {}", verdict.at, verdict.because) }),
        }
    }

    /// Lets a name through that somebody else resolves, unless a rule about users, names or ports refuses it; rules
    /// about addresses do not fit what has none.
    ///
    /// # Errors
    /// [`Failure`] with what the client is told and what decided.
    pub fn judge_name(&self, asked: &Asked, port: u16) -> Result<(), Failure> {
        let name = asked.name.as_deref().unwrap_or_default();
        let refused = |refusal, because: &str| Failure { refusal, text: format!("{name}:{port} {because}") };
        if port == 0 {
            return Err(refused(Refusal::General, "port 0 cannot be reached"));
        }
        match self.rules.iter().find(|rule| rule.fits(asked, None, port)) {
            Some(rule) if !rule.allows => {
                Err(refused(Refusal::NotAllowed, &format!("the rule `{rule}` decides")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns whether the host's way to an address is the proxy's own TUN.
    fn leads_back(&self, ip: IpAddr) -> bool {
        // The host reaches itself without going through the TUN.
        if self.tun.is_empty() || ip.is_loopback() || self.tun.contains(&ip) {
            return false;
        }
        super::bind::facing(ip).is_ok_and(|from| self.tun.contains(&from))
    }

    /// Lets a client be told an address, or ask for one that is not known yet, without connecting to it.
    ///
    /// There is no port: who is let through at some port may be told, and a rule that denies some ports denies nothing.
    ///
    /// # Errors
    /// [`Failure`] with what the client is told and what decided.
    pub fn may_tell(&self, asked: &Asked, ip: Option<IpAddr>) -> Result<(), Failure> {
        let ip = ip.map(|ip| ip.to_canonical());
        let shown = ip.map_or_else(|| asked.name.clone().unwrap_or_default(), |ip| ip.to_string());
        let refused =
            |because: &str| Err(Failure { refusal: Refusal::NotAllowed, text: format!("{shown} {because}") });
        match self.rules.iter().find(|rule| rule.fits_some_port(asked, ip)) {
            Some(rule) if !rule.allows => refused(&format!("the rule `{rule}` decides")),
            Some(_) => Ok(()),
            None => ip.and_then(by_default).map_or(Ok(()), refused),
        }
    }

    /// Judges an address and says what decided.
    pub fn explain(&self, asked: &Asked, at: SocketAddr) -> Verdict {
        let at = SocketAddr::new(at.ip().to_canonical(), at.port());
        let refused = |because: &str| Verdict {
            at,
            refusal: Some(if at.port() == 0 { Refusal::General } else { Refusal::NotAllowed }),
            because: because.to_owned(),
        };
        if at.port() == 0 {
            return refused("port 0 cannot be reached");
        }
        if self.own.contains(&at.ip()) {
            return refused("is the proxy's own address");
        }
        if self.listening.iter().any(|own| is_the_same(*own, at)) {
            return refused("is where the proxy itself listens");
        }
        if self.leads_back(at.ip()) {
            return refused("is routed into the proxy's own TUN");
        }
        if self.from_stack && at.ip().is_loopback() {
            return refused("is this host's loopback, which the stack cannot reach; --egress host can");
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.fits(asked, Some(at.ip()), at.port())) {
            let refusal = (!rule.allows).then_some(Refusal::NotAllowed);
            return Verdict { at, refusal, because: format!("the rule `{rule}` decides") };
        }
        match by_default(at.ip()) {
            Some(because) => refused(because),
            None => Verdict { at, refusal: None, because: "nothing refuses it".to_owned() },
        }
    }
}

/// Returns whether a connection to `at` would come to a listener.
fn is_the_same(listener: SocketAddr, at: SocketAddr) -> bool {
    // The host's way to an address of its own begins at that address.
    let is_own = |ip: IpAddr| ip.is_loopback() || super::bind::facing(ip).is_ok_and(|local| local == ip);
    let ip = listener.ip().to_canonical();
    listener.port() == at.port() && (ip == at.ip() || ip.is_unspecified() && is_own(at.ip()))
}

/// Returns why an address is refused that no rule is about, if it is.
fn by_default(ip: IpAddr) -> Option<&'static str> {
    if ip.is_unspecified() {
        Some("is the unspecified address, which would mean this host")
    } else if ip.is_loopback() {
        Some("is this host's loopback; --allow loopback lets it through")
    } else if is_link_local(ip) {
        Some("is link-local, where metadata services live; --allow link-local lets it through")
    } else if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("is an address of many")
    } else {
        None
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

    fn policy(rules: &[(&str, bool)]) -> Policy {
        let rules = rules.iter().map(|(text, allows)| Rule::new(text, *allows).unwrap()).collect();
        Policy { own: vec!["198.18.0.2".parse().unwrap()], rules, ..Policy::default() }
    }

    fn judge(policy: &Policy, user: &str, name: Option<&str>, at: &str) -> Option<u8> {
        let asked = Asked { user: user.to_owned(), name: name.map(str::to_owned) };
        policy.judge(&asked, at.parse().unwrap()).err().map(|failure| failure.refusal.code())
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
            assert_eq!(judge(&policy(&[]), "", None, address), Some(2), "{address}");
        }
        assert_eq!(judge(&policy(&[("any", true)]), "", None, "198.18.0.2:80"), Some(2), "a loop never ends");
    }

    #[test]
    fn everything_else_is_let_through_and_port_0_is_a_failure() {
        assert_eq!(judge(&policy(&[]), "", None, "192.0.2.1:80"), None);
        assert_eq!(judge(&policy(&[]), "", None, "[2001:db8::1]:80"), None);
        assert_eq!(judge(&policy(&[]), "", None, "192.0.2.1:0"), Some(1));
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = policy(&[
            ("10.1.0.0/16:80-90", true),
            ("ann@10.0.0.0/8", true),
            ("10.0.0.0/8", false),
            ("loopback", true),
            ("[2001:db8::/32]:443", false),
            (".example.org", false),
            ("any:25", false),
        ]);
        for (user, name, at, code) in [
            ("", None, "10.1.2.3:85", None),
            ("", None, "10.1.2.3:91", Some(2)),
            ("", None, "[::ffff:10.1.2.3]:91", Some(2)),
            ("ann", None, "10.9.9.9:22", None),
            ("bob", None, "10.9.9.9:22", Some(2)),
            ("", None, "127.0.0.1:80", None),
            ("", None, "[2001:db8::5]:443", Some(2)),
            ("", None, "[2001:db8::5]:80", None),
            ("", Some("WWW.Example.ORG."), "192.0.2.1:80", Some(2)),
            ("", Some("example.org"), "192.0.2.1:80", None),
            ("", Some("badexample.org"), "192.0.2.1:80", None),
            ("", None, "192.0.2.1:25", Some(2)),
        ] {
            assert_eq!(judge(&rules, user, name, at), code, "{user} {name:?} {at}");
        }
    }

    #[test]
    fn who_may_be_let_through_at_some_port_may_be_told_where_it_is() {
        let rules = policy(&[
            ("any:25", false),
            ("10.0.0.0/8", false),
            (".secret.test", false),
            ("127.0.0.1:80", true),
        ]);
        let told = |name: &str, ip: Option<&str>| {
            let asked = Asked { name: Some(name.to_owned()), ..Asked::default() };
            rules.may_tell(&asked, ip.map(|ip| ip.parse().unwrap())).map_err(|failure| failure.refusal.code())
        };
        assert_eq!(told("a.test", Some("192.0.2.1")), Ok(()));
        assert_eq!(told("a.test", Some("10.1.2.3")), Err(2));
        assert_eq!(told("a.test", Some("::ffff:10.1.2.3")), Err(2));
        assert_eq!(told("a.test", Some("127.0.0.1")), Ok(()));
        assert_eq!(told("a.test", Some("127.0.0.2")), Err(2));
        assert_eq!(told("a.secret.test", Some("192.0.2.1")), Err(2));
        assert_eq!((told("a.secret.test", None), told("a.test", None)), (Err(2), Ok(())));
    }

    #[test]
    fn a_rule_that_cannot_be_read_names_its_part() {
        for (text, part) in [
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0", "\"10.0.0\""),
            ("any:x", "\"x\""),
            ("any:90-80", "90-80"),
            ("@any", "user"),
            ("[::1", "bracket"),
            ("exa mple", "exa mple"),
            ("", "\"\""),
        ] {
            let said = Rule::new(text, true).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn a_verdict_says_what_decided() {
        let rules = policy(&[("10.0.0.0/8", false)]);
        let said = |at: &str| rules.explain(&Asked::default(), at.parse().unwrap()).to_string();
        assert_eq!(
            said("10.1.2.3:80"),
            "10.1.2.3:80 is refused with code 2: the rule `--deny 10.0.0.0/8` decides"
        );
        assert_eq!(said("192.0.2.1:80"), "192.0.2.1:80 is let through: nothing refuses it");
        assert!(said("127.0.0.1:80").contains("--allow loopback"));
    }
}
