//! `tun-demo doctor`: what is missing, and the command that mends it.

use crate::exit::{Failure, MISSING};
use sockhop_hosted::sandbox;
use sockhop_hosted::tun::{Config, Error, Tun};
use std::io::Write;
use std::path::Path;

/// Looks at everything `socks5` needs.
pub(crate) fn run(out: &mut impl Write) -> Result<(), Failure> {
    let mut missing = 0;
    let mut say = |what: &str, outcome: Result<String, String>| {
        let (mark, text) = match outcome {
            Ok(text) => ("ok     ", text),
            Err(text) => {
                missing += 1;
                ("missing", text)
            }
        };
        writeln!(out, "{mark}  {what:<16} {text}")
    };
    let device = Path::new("/dev/net/tun");
    say(
        "/dev/net/tun",
        if device.exists() { Ok("is there".to_owned()) } else { Err(Error::Missing.to_string()) },
    )?;
    let ipv6 = Path::new("/proc/net/if_inet6").exists();
    say("a TUN device", open())?;
    say(
        "IPv6",
        Ok(if ipv6 { "is there" } else { "is switched off; the proxy serves IPv4 only" }.to_owned()),
    )?;
    let (landlock, seccomp) = sandbox::offered();
    let layer = |there: bool| if there { "is there" } else { "is not in this kernel" };
    say(
        "the sandbox",
        Ok(format!(
            "landlock {}, seccomp {}; the proxy locks itself in with both",
            layer(landlock),
            layer(seccomp)
        )),
    )?;
    let curl = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join("curl").exists());
    say(
        "curl",
        Ok(if curl { "is there to try the proxy with" } else { "is not there; any SOCKS5 client will do" }
            .to_owned()),
    )?;
    out.flush()?;
    match missing {
        0 => Ok(()),
        1 => Err(Failure::new(MISSING, "1 thing is missing")),
        _ => Err(Failure::new(MISSING, format!("{missing} things are missing"))),
    }
}

/// Opens a device without addresses, which nobody notices, and lets it go.
fn open() -> Result<String, String> {
    let config = Config { name: None, addresses: vec![], mtu: 1_500, offload: true };
    Tun::open(&config)
        .map(|tun| format!("{} could be opened, with {}", tun.name(), tun.offload()))
        .map_err(|error| error.to_string())
}
