//! What this host says about names: `/etc/hosts`, and the servers of `/etc/resolv.conf`.

use crate::sandbox::Files;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

pub(super) const HOSTS: &str = "/etc/hosts";
pub(super) const SERVERS: &str = "/etc/resolv.conf";
/// How old what was read may be before it is read again.
const FRESH: Duration = Duration::from_secs(5);
/// The port of name servers.
const PORT: u16 = 53;

/// What is known without asking anybody, and whom to ask for the rest.
#[derive(Clone, Debug)]
pub(super) struct System {
    /// Names in small letters with an address each.
    hosts: Vec<(String, IpAddr)>,
    /// The servers, in the order in which they are asked.
    pub(super) servers: Vec<SocketAddr>,
    /// Domains that a short name is tried in.
    search: Vec<String>,
    /// Dots from which a name is tried as it is first.
    dots: usize,
    /// How long a server may take.
    pub(super) timeout: Duration,
    /// How often each server is asked.
    pub(super) attempts: usize,
}

impl System {
    /// Reads two files as the C library does, and takes its defaults for what they do not say.
    pub(super) fn read(hosts: &str, servers: &str) -> Self {
        // What cannot be read is left out, as the C library does it.
        let (config, _) = resolv_conf::Config::parse_with_errors(servers.as_bytes());
        let mut at: Vec<SocketAddr> =
            config.nameservers.iter().map(|server| SocketAddr::new(IpAddr::from(server), PORT)).collect();
        if at.is_empty() {
            at.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        Self {
            hosts: hosts.lines().flat_map(entries).collect(),
            servers: at,
            search: config.get_last_search_or_domain().cloned().collect(),
            dots: usize::try_from(config.ndots).unwrap_or(1),
            timeout: Duration::from_secs(u64::from(config.timeout.clamp(1, 30))),
            attempts: usize::try_from(config.attempts.clamp(1, 5)).unwrap_or(2),
        }
    }

    /// Returns the addresses of a name that are known without asking.
    pub(super) fn known(&self, name: &str) -> Vec<IpAddr> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let found: Vec<IpAddr> =
            self.hosts.iter().filter(|(other, _)| *other == name).map(|(_, ip)| *ip).collect();
        // RFC 6761 §6.3: such a name is this host's and leaves it never.
        if found.is_empty() && (name == "localhost" || name.ends_with(".localhost")) {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        found
    }

    /// Returns the name of an address that is known without asking.
    pub(super) fn known_as(&self, ip: IpAddr) -> Option<String> {
        let found = self.hosts.iter().find(|(_, other)| *other == ip).map(|(name, _)| name.clone());
        found.or_else(|| ip.is_loopback().then(|| "localhost".to_owned()))
    }

    /// Returns the names to ask for, one after another, until somebody has one.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let searched =
            self.search.iter().filter(|domain| *domain != ".").map(|domain| format!("{name}.{domain}"));
        let mut names: Vec<String> = searched.collect();
        let first = name.bytes().filter(|octet| *octet == b'.').count() >= self.dots;
        names.insert(if first { 0 } else { names.len() }, name.to_owned());
        names
    }
}

/// Reads a line of `/etc/hosts`: an address and its names.
fn entries(line: &str) -> Vec<(String, IpAddr)> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let Some(ip) = words.next().and_then(|word| word.parse().ok()) else { return Vec::new() };
    words.map(|name| (name.to_ascii_lowercase(), ip)).collect()
}

/// The two files, read again now and then.
#[derive(Debug)]
pub(super) struct Source {
    files: Files,
    read: Option<(Instant, System)>,
}

impl Source {
    /// Returns a source that has read nothing yet.
    pub(super) const fn new(files: Files) -> Self {
        Self { files, read: None }
    }

    /// Returns a source that never changes.
    #[cfg(test)]
    pub(super) fn fixed(system: System) -> Self {
        Self { files: Files::default(), read: Some((Instant::now() + Duration::from_secs(86_400), system)) }
    }

    /// Returns what the files say.
    pub(super) fn system(&mut self) -> &System {
        let fresh = self.read.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
        if !fresh {
            let read = |path| self.files.read(Path::new(path)).unwrap_or_default();
            self.read = Some((Instant::now(), System::read(&read(HOSTS), &read(SERVERS))));
        }
        let empty = || (Instant::now(), System::read("", ""));
        &self.read.get_or_insert_with(empty).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_host_are_known_and_localhost_always_is() {
        let system = System::read("10.0.0.7 Box box.lan # ours\n::1 box\nnonsense here\n# 1.2.3.4 x\n", "");
        let four: IpAddr = "10.0.0.7".parse().unwrap();
        assert_eq!(system.known("BOX.lan."), [four]);
        assert_eq!(system.known("box").len(), 2);
        assert_eq!(system.known("x"), [] as [IpAddr; 0]);
        assert_eq!(system.known("a.localhost").len(), 2);
        assert_eq!(system.known_as(four).as_deref(), Some("box"));
        assert_eq!(system.known_as("127.0.0.1".parse().unwrap()).as_deref(), Some("localhost"));
        assert_eq!(system.known_as("10.0.0.8".parse().unwrap()), None);
        assert_eq!(system.servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn short_names_are_searched_first_and_long_ones_last() {
        let text = "nameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch corp.example example.org\noptions ndots:2 timeout:1 attempts:3\n";
        let system = System::read("", text);
        assert_eq!(system.candidates("www.a"), ["www.a.corp.example", "www.a.example.org", "www.a"]);
        assert_eq!(system.candidates("www.a.b")[0], "www.a.b");
        assert_eq!(system.candidates("www."), ["www."]);
        assert_eq!(system.servers[0], "192.0.2.53:53".parse().unwrap());
        assert_eq!((system.servers.len(), system.attempts, system.timeout), (2, 3, Duration::from_secs(1)));
    }
}
