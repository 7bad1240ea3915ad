//! Clients that others have written, each through the proxy on a TUN; each prints its row.

use sockhop_tests::netns::{Namespace, possible};
use std::io::Write;

const REQUEST: &str = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'";
const PROXY: &str = "198.18.0.2";

#[test]
fn clients_of_others_are_served() {
    let tools = ["curl", "nc", "ncat", "socat", "proxychains4", "python3"];
    if !possible("clients_of_others_are_served", &tools) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let _proxy = namespace.proxy(&[]);
    let mut failed = vec![];
    for (client, line) in rows() {
        let heard = namespace.shell(&line);
        let served = heard.ends_with("hello");
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
    ]
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
