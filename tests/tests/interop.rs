//! Clients that others have written, each through the proxy on a TUN; each prints its row.

use sockhop_tests::netns::{Namespace, Running, neighbour, possible};
use std::io::Write;

const REQUEST: &str = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'";
const PROXY: &str = "198.18.0.2";

#[test]
fn clients_of_others_are_served() {
    let tools = ["curl", "nc", "ncat", "socat", "proxychains4", "python3", "ssh", "sshd", "chromium"];
    if !possible("clients_of_others_are_served", &tools) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = namespace.proxy(&[]);
    let mut failed = vec![];
    for (client, line) in rows() {
        let heard = namespace.shell(&line);
        let served = heard.ends_with("hello") && has_passed(&namespace, &proxy);
        // Not through `println!`, which the test harness swallows.
        let _ = writeln!(std::io::stderr(), "  {client:<28} {}", if served { "served" } else { "FAILED" });
        if !served {
            failed.push(format!("{client}: {line}: {heard:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn clients_of_others_log_in() {
    if !possible("clients_of_others_log_in", &["curl", "ncat", "proxychains4", "python3"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = namespace.proxy(&["--user", "ann:secret"]);
    for (client, line) in [
        ("curl", format!("curl -s --socks5 ann:secret@{PROXY}:1080 http://127.0.0.1:8000/")),
        (
            "ncat",
            format!(
                "{REQUEST} | ncat --no-shutdown --proxy {PROXY}:1080 --proxy-type socks5 --proxy-auth ann:secret 127.0.0.1 8000"
            ),
        ),
        ("PySocks", python("socks.SOCKS5", "'127.0.0.1'", ", username='ann', password='secret'")),
        ("proxychains", chained("socks5", "ann secret")),
    ] {
        let heard = namespace.shell(&line);
        assert!(heard.ends_with("hello"), "{client}: {line}: {heard:?}");
        assert!(proxy.until("127.0.0.1").contains("user ann"), "{client}");
    }
}

#[test]
fn tors_own_clients_look_names_up() {
    if !possible("tors_own_clients_look_names_up", &["tor-resolve", "torsocks", "curl"]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.hosts("127.0.0.1 localhost\n10.99.0.1 origin.test\n");
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _origin = namespace.origin("10.99.0.1:8000", "http");
    let proxy = namespace.proxy(&[]);
    // The same through a second proxy, which asks the first.
    let upstream = format!("socks5://{PROXY}:1080");
    let second = neighbour("tun-demo").to_string_lossy().into_owned();
    let chained = namespace.start(&second, &["socks5", "--listen", "127.0.0.1:1081", "--egress", &upstream]);
    chained.until("Ctrl-C");
    for (at, said) in [(format!("{PROXY}:1080"), &proxy), ("127.0.0.1:1081".to_owned(), &chained)] {
        for (client, line, heard, logged) in [
            ("tor-resolve", format!("tor-resolve origin.test {at}"), "10.99.0.1", "origin.test is 10.99.0.1"),
            (
                "tor-resolve -x",
                format!("tor-resolve -x 10.99.0.1 {at}"),
                "origin.test",
                "10.99.0.1 is origin.test",
            ),
        ] {
            assert_eq!(namespace.shell(&line).trim(), heard, "{client} at {at}");
            assert!(said.until(logged).contains("reply 0"), "{client} at {at}");
        }
        let (host, port) = at.split_once(':').expect("both are there");
        let line = format!("torsocks -a {host} -P {port} curl -s http://origin.test:8000/");
        assert_eq!(namespace.shell(&line), "hello", "torsocks at {at}");
        assert!(said.until("origin.test is").contains("reply 0"), "torsocks at {at}");
    }
    let refused = namespace.shell(&format!("tor-resolve nobody.invalid {PROXY}:1080 2>&1; echo exit $?"));
    assert!(!refused.ends_with("exit 0"), "{refused}");
}

/// Returns whether a session with a target of ours has ended.
///
/// A client that went past the proxy has left no line before that of a name which nobody has; one that is slow to end
/// has some tries.
fn has_passed(namespace: &Namespace, proxy: &Running) -> bool {
    (0..20).any(|_| {
        namespace.shell(&format!("curl -s --socks5-hostname {PROXY}:1080 http://the-end.invalid/"));
        let lines = core::iter::from_fn(|| proxy.line()).take_while(|line| !line.contains("the-end.invalid"));
        lines.filter(|line| line.contains(":8000 reply 0") || line.contains(":2222 reply 0")).count() > 0
    })
}

/// Each client with the line that asks for the origin's answer.
fn rows() -> Vec<(&'static str, String)> {
    let curl = |flag: &str, host: &str| format!("curl -s {flag} {PROXY}:1080 http://{host}:8000/");
    let nc = |version: &str| format!("{REQUEST} | nc -X {version} -x {PROXY}:1080 127.0.0.1 8000");
    let ncat = |kind: &str| {
        format!("{REQUEST} | ncat --no-shutdown --proxy {PROXY}:1080 --proxy-type {kind} 127.0.0.1 8000")
    };
    let socat = |kind: &str, host: &str| {
        format!("{REQUEST} | socat -t 5 - {kind}:{PROXY}:{host}:8000,socksport=1080,socksuser=ann")
    };
    vec![
        ("curl, SOCKS4", curl("--socks4", "127.0.0.1")),
        ("curl, SOCKS4a by name", curl("--socks4a", "localhost")),
        ("curl, SOCKS5", curl("--socks5", "127.0.0.1")),
        ("curl, SOCKS5 by name", curl("--socks5-hostname", "localhost")),
        ("OpenBSD nc, SOCKS4", nc("4")),
        ("OpenBSD nc, SOCKS5", nc("5")),
        ("ncat, SOCKS4", ncat("socks4")),
        ("ncat, SOCKS5", ncat("socks5")),
        ("socat, SOCKS4", socat("SOCKS4", "127.0.0.1")),
        ("socat, SOCKS4a by name", socat("SOCKS4A", "localhost")),
        ("PySocks, SOCKS4", python("socks.SOCKS4", "'127.0.0.1'", "")),
        ("PySocks, SOCKS5", python("socks.SOCKS5", "'127.0.0.1'", "")),
        ("PySocks, SOCKS5 by name", python("socks.SOCKS5", "'localhost'", ", rdns=True")),
        ("proxychains, SOCKS4", chained("socks4", "")),
        ("proxychains, SOCKS5", chained("socks5", "")),
        ("python-socks, SOCKS4", python_socks("socks4", "127.0.0.1")),
        ("python-socks, SOCKS5", python_socks("socks5", "127.0.0.1")),
        ("python-socks, SOCKS5 by name", python_socks("socks5", "localhost")),
        ("aiohttp-socks, SOCKS4", aiohttp("socks4", "127.0.0.1")),
        ("aiohttp-socks, SOCKS5", aiohttp("socks5", "127.0.0.1")),
        ("aiohttp-socks, SOCKS5 by name", aiohttp("socks5", "localhost")),
        ("ssh through nc, SOCKS5", ssh("nc -X 5 -x 198.18.0.2:1080 %h %p")),
        ("ssh through ncat, SOCKS4", ssh("ncat --proxy 198.18.0.2:1080 --proxy-type socks4 %h %p")),
        ("Chromium, SOCKS4", chromium("socks4")),
        ("Chromium, SOCKS5", chromium("socks5")),
    ]
}

fn python_socks(kind: &str, host: &str) -> String {
    format!(
        "/usr/bin/python3 -c \"from python_socks.sync import Proxy; \
         s = Proxy.from_url('{kind}://{PROXY}:1080', rdns=True).connect('{host}', 8000); \
         s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); \
         print(b''.join(iter(lambda: s.recv(100), b'')).decode()[-5:])\""
    )
}

fn aiohttp(kind: &str, host: &str) -> String {
    format!(
        "/usr/bin/python3 - <<'END'
import asyncio, aiohttp
from aiohttp_socks import ProxyConnector

async def main():
    connector = ProxyConnector.from_url('{kind}://{PROXY}:1080', rdns=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get('http://{host}:8000/') as response:
            print(await response.text())

asyncio.run(main())
END"
    )
}

/// A server with keys of its own, and a client that reaches it by a command.
fn ssh(command: &str) -> String {
    format!(
        "d=$(mktemp -d); mkdir -p /run/sshd; \
         for key in host user; do ssh-keygen -q -t ed25519 -N '' -f $d/$key; done; \
         $(command -v sshd) -D -f /dev/null -h $d/host -p 2222 -o ListenAddress=127.0.0.1 -o PidFile=none \
         -o AuthorizedKeysFile=$d/user.pub -o StrictModes=no 2>/dev/null & server=$!; \
         until nc -z 127.0.0.1 2222; do kill -0 $server || break; done; \
         ssh -F /dev/null -i $d/user -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null -o ProxyCommand='{command}' root@127.0.0.1 echo hello; \
         kill $server; rm -rf $d"
    )
}

/// What a browser makes of the origin's answer.
fn chromium(kind: &str) -> String {
    format!(
        "d=$(mktemp -d); timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir=$d \
         --proxy-server={kind}://{PROXY}:1080 --proxy-bypass-list='<-loopback>' \
         --dump-dom http://127.0.0.1:8000/ 2>/dev/null | grep -o hello | head -n 1; rm -rf $d"
    )
}

fn python(kind: &str, host: &str, more: &str) -> String {
    format!(
        "/usr/bin/python3 -c \"import socks; s = socks.socksocket(); s.set_proxy({kind}, '{PROXY}', 1080{more}); \
         s.connect(({host}, 8000)); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); \
         print(b''.join(iter(lambda: s.recv(100), b'')).decode()[-5:])\""
    )
}

fn chained(kind: &str, login: &str) -> String {
    let list = format!("strict_chain\\nquiet_mode\\n[ProxyList]\\n{kind} {PROXY} 1080 {login}\\n");
    format!(
        "f=$(mktemp); printf '{list}' > $f; proxychains4 -q -f $f curl -s http://127.0.0.1:8000/; r=$?; rm $f; exit $r"
    )
}
