//! What the host has to do for `--egress stack`: forward the stack's packets, and give them its own address.
//!
//! The same lines are shown to a person who would rather type them, and carried out for one who asks for it. What was
//! carried out is undone when it is dropped; a table of the same name that a crash has left is replaced.
//!
//! ```
//! use sockhop_hosted::forwarding::Plan;
//!
//! let plan = Plan::new("tun0", ["198.18.0.2".parse().expect("an address")]);
//! assert_eq!(plan.lines()[0], "sysctl -w net.ipv4.ip_forward=1");
//! assert!(plan.lines().iter().any(|line| line.ends_with("masquerade")));
//! ```

use core::fmt::{self, Write as _};
use core::net::IpAddr;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is to be set for a TUN device and the stack behind it.
#[derive(Clone, Debug)]
pub struct Plan {
    tun: String,
    stack: Vec<IpAddr>,
}

/// Why the host does not forward, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// The program `nft` could not be started.
    NoNft(io::Error),
    /// `nft` refused the rules; what it said.
    Nft(String),
    /// A switch of the kernel could not be set.
    Switch(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNft(error) => {
                write!(f, "nft could not be run ({error}): `apt install nftables`, or leave --setup out")
            }
            Self::Nft(said) => write!(
                f,
                "nft refused the rules ({}): leave --setup out and masquerade by other means",
                said.trim().lines().next().unwrap_or_default()
            ),
            Self::Switch(name, error) => {
                write!(f, "{name} could not be set ({error}): set it with sysctl, and leave --setup out")
            }
        }
    }
}

impl core::error::Error for Error {}

impl Plan {
    /// Returns what a stack with these addresses behind this TUN needs.
    pub fn new(tun: &str, stack: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { tun: tun.to_owned(), stack: stack.into_iter().collect() }
    }

    /// Returns the kernel's switches that have to be 1.
    fn switches(&self) -> impl Iterator<Item = &'static str> {
        let has = |six: bool| self.stack.iter().any(|ip| ip.is_ipv6() == six);
        let four = has(false).then_some("net.ipv4.ip_forward");
        let six = has(true).then_some("net.ipv6.conf.all.forwarding");
        [four, six].into_iter().flatten()
    }

    /// Returns the name of the table of rules.
    fn table(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        format!("inet sockhop_{}", self.tun.chars().map(plain).collect::<String>())
    }

    /// Returns the rules in nft's language: masquerading, and segments no larger than the route takes.
    fn rules(&self) -> String {
        let (tun, mut text) = (&self.tun, String::new());
        let _ = writeln!(text, "table {} {{", self.table());
        let _ = writeln!(text, "  chain out {{ type nat hook postrouting priority srcnat;");
        for ip in &self.stack {
            let family = if ip.is_ipv4() { "ip" } else { "ip6" };
            let _ = writeln!(text, "    {family} saddr {ip} oifname != \"{tun}\" masquerade");
        }
        let _ = writeln!(text, "  }}\n  chain through {{ type filter hook forward priority mangle;");
        for way in ["iifname", "oifname"] {
            let _ = writeln!(text, "    {way} \"{tun}\" tcp flags syn tcp option maxseg size set rt mtu");
        }
        text.push_str("  }\n}\n");
        text
    }

    /// Returns the lines that a person would type.
    pub fn lines(&self) -> Vec<String> {
        let (table, tun) = (self.table(), &self.tun);
        let switches = self.switches().map(|switch| format!("sysctl -w {switch}=1"));
        let chain = "type nat hook postrouting priority srcnat;";
        let frame = [format!("nft add table {table}"), format!("nft 'add chain {table} out {{ {chain} }}'")];
        let rules = self.stack.iter().map(|ip| {
            let family = if ip.is_ipv4() { "ip" } else { "ip6" };
            format!("nft add rule {table} out {family} saddr {ip} oifname != {tun} masquerade")
        });
        switches.chain(frame).chain(rules).collect()
    }

    /// Sets everything, and undoes what was set if something cannot be.
    ///
    /// # Errors
    /// [`Error`], whose text says what to do; nothing is left behind.
    pub fn apply(&self) -> Result<Applied, Error> {
        let mut applied = Applied { switched: Vec::new(), table: None };
        let table = self.table();
        nft(&format!("add table {table}\ndelete table {table}\n{}", self.rules()))?;
        applied.table = Some(table);
        for switch in self.switches() {
            let failed = |error| Error::Switch(switch, error);
            let before = read(switch).map_err(failed)?;
            if before != "1" {
                std::fs::write(path(switch), "1").map_err(failed)?;
                applied.switched.push((switch, before));
            }
        }
        Ok(applied)
    }
}

/// What was set; dropping it undoes it.
#[derive(Debug)]
pub struct Applied {
    switched: Vec<(&'static str, String)>,
    table: Option<String>,
}

impl Drop for Applied {
    fn drop(&mut self) {
        // There is nobody left to tell that something stays as it is.
        for (switch, before) in self.switched.drain(..) {
            let _ = std::fs::write(path(switch), before);
        }
        if let Some(table) = &self.table {
            let _ = nft(&format!("delete table {table}\n"));
        }
    }
}

fn path(switch: &str) -> PathBuf {
    ["/proc/sys", &switch.replace('.', "/")].iter().collect()
}

fn read(switch: &str) -> io::Result<String> {
    std::fs::read_to_string(path(switch)).map(|value| value.trim().to_owned())
}

fn nft(rules: &str) -> Result<(), Error> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::NoNft)?;
    if let Some(mut input) = child.stdin.take() {
        // A reader that has gone says why by its exit code.
        let _ = input.write_all(rules.as_bytes());
    }
    let output = child.wait_with_output().map_err(Error::NoNft)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Error::Nft(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_rule_and_each_family_its_switch() {
        let stack: [IpAddr; 2] = ["198.18.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let both = Plan::new("tun-7", stack);
        assert!(both.rules().contains("ip saddr 198.18.0.2 oifname != \"tun-7\" masquerade"));
        assert!(both.rules().contains("ip6 saddr fd00::2 oifname != \"tun-7\" masquerade"));
        assert!(both.rules().starts_with("table inet sockhop_tun_7 {"));
        assert_eq!(both.switches().count(), 2);
        let four = Plan::new("tun0", stack.into_iter().take(1));
        assert!(four.switches().eq(["net.ipv4.ip_forward"]));
        let lines = four.lines();
        assert_eq!(lines[0], "sysctl -w net.ipv4.ip_forward=1");
        assert!(lines[3].ends_with("out ip saddr 198.18.0.2 oifname != tun0 masquerade"), "{lines:?}");
    }
}
