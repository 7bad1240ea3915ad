//! The proxy at a socket of the host's own: what it carries over the TUN it carries here as well.

use sockhop_tests::netns::{Namespace, Running, neighbour, possible};

const AT: &str = "127.0.0.1:1080";
const CURL: &str = "curl -s --max-time 20";

/// Starts the proxy at [`AT`] and waits until it serves.
fn proxy(namespace: &Namespace, arguments: &[&str]) -> Running {
    let program = neighbour("tun-demo").to_string_lossy().into_owned();
    let fixed = ["socks5", "--listen", AT, "--listen", "[::1]:1080", "--allow", "loopback"];
    // Built once by whoever needs a TUN first.
    drop(namespace.proxy(&[]));
    let running = namespace.start(&program, &[&fixed[..], arguments].concat());
    running.until("Ctrl-C");
    running
}

fn asker(namespace: &Namespace, arguments: &[&str]) -> Running {
    let program = neighbour("asker").to_string_lossy().into_owned();
    namespace.start(&program, &[&[AT], arguments].concat())
}

#[test]
fn every_version_is_served_at_both_families_and_ends_are_passed_on() {
    let name = "every_version_is_served_at_both_families_and_ends_are_passed_on";
    if !possible(name, &["curl", "nc"]) {
        return;
    }
    let namespace = Namespace::new();
    let _http = namespace.origin("127.0.0.1:8000", "http");
    let _answer = namespace.origin("127.0.0.1:8001", "answer");
    let _flood = namespace.origin("127.0.0.1:8002", "flood");
    let proxy = proxy(&namespace, &[]);
    for flag in ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"] {
        for at in [AT, "[::1]:1080"] {
            assert_eq!(
                namespace.shell(&format!("{CURL} {flag} {at} http://127.0.0.1:8000/")),
                "hello",
                "{flag} {at}"
            );
        }
    }
    let half = "head -c 3000000 /dev/zero | nc -N -X 5 -x 127.0.0.1:1080 127.0.0.1 8001";
    assert_eq!(namespace.shell(half), "3000000");
    let flood = format!("{CURL} --http0.9 --socks5 {AT} 127.0.0.1:8002 | wc -c");
    assert_eq!(namespace.shell(&flood), "67108864");
    let looped = format!("{CURL} -v --socks5 {AT} http://127.0.0.1:1080/ 2>&1; echo");
    assert!(namespace.shell(&looped).contains("(2)"), "it does not connect to itself");
    let (summary, done) = proxy.interrupt();
    assert!(done && summary.iter().any(|line| line.contains("left over: 0 connections")), "{summary:?}");
}

#[test]
fn datagrams_and_binds_pass_a_host_socket() {
    if !possible("datagrams_and_binds_pass_a_host_socket", &[]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _four = namespace.origin("127.0.0.1:9000", "udp");
    let _six = namespace.origin("[::1]:9000", "udp");
    let _proxy = proxy(&namespace, &[]);
    for target in ["127.0.0.1:9000", "[::1]:9000", "localhost:9000"] {
        let asker = asker(&namespace, &[target, "datagrams"]);
        asker.echoed();
    }
    let asker = asker(&namespace, &["127.0.0.1:8000", "bind"]);
    for line in ["stranger turned away", "peer named", "second refused", "carried up.. down"] {
        assert_eq!(asker.line().as_deref(), Some(line));
    }
}

#[test]
fn a_slow_reader_stops_the_sender_and_a_reset_stays_a_reset() {
    if !possible("a_slow_reader_stops_the_sender_and_a_reset_stays_a_reset", &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let origin = namespace.origin("127.0.0.1:8000", "flood");
    let reset = namespace.origin("127.0.0.1:8001", "reset");
    let echo = namespace.origin("127.0.0.1:8002", "echo");
    let proxy = proxy(&namespace, &[]);
    let fifo = std::env::temp_dir().join(format!("sockhop-listen-{}", std::process::id()));
    let path = fifo.to_string_lossy().into_owned();
    namespace.shell(&format!("mkfifo '{path}'"));
    let before = proxy.memory();
    let slow = asker(&namespace, &["127.0.0.1:8000", "rest", &path]);
    // Others are served while it reads nothing.
    let cut = namespace.shell(&format!("{CURL} --socks5 {AT} http://127.0.0.1:8001/; echo exit $?"));
    assert!(cut.ends_with("exit 56"), "a cut answer is no whole one: {cut}");
    assert_eq!(asker(&namespace, &["127.0.0.1:8002", "reset"]).until("reset"), "reset");
    assert_eq!(echo.until("broke"), "broke ConnectionReset");
    assert!(proxy.memory() < before + (16 << 20), "it buffers no more than a room");
    std::fs::write(&fifo, b"go").expect("the reader waits");
    assert_eq!(slow.until("received"), "received 67108864 right");
    std::fs::remove_file(&fifo).expect("it was made above");
    drop((origin, reset));
}

#[test]
fn stalled_and_leaving_clients_leave_nothing_behind() {
    if !possible("stalled_and_leaving_clients_leave_nothing_behind", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = proxy(&namespace, &["--handshake-timeout", "4"]);
    let one = format!("{CURL} -w '\n' --socks5 {AT} http://127.0.0.1:8000/");
    assert_eq!(namespace.shell(&one), "hello");
    let stalled = asker(&namespace, &["127.0.0.1:8000", "stall", "900"]);
    stalled.until("stall 900");
    let served = namespace.shell(&format!("for i in $(seq 100); do {one}; done | grep -c '^hello$'"));
    assert_eq!(served, "100");
    stalled.until("ended");
    asker(&namespace, &["127.0.0.1:8000", "churn", "10000"]).until("ended");
    assert_eq!(namespace.shell(&one), "hello");
    let (summary, done) = proxy.interrupt();
    assert!(done && summary.iter().any(|line| line.contains("left over: 0 connections")), "{summary:?}");
}

#[test]
fn a_source_that_has_enough_is_told_so_and_counted() {
    if !possible("a_source_that_has_enough_is_told_so_and_counted", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = proxy(&namespace, &["--rate", "0.1"]);
    let ask = |from: &str| {
        let line =
            format!("{CURL} --interface {from} -v --socks5 {AT} http://127.0.0.1:8000/ 2>&1; echo exit $?");
        namespace.shell(&line)
    };
    assert!(ask("127.0.0.1").contains("hello"));
    assert!(proxy.until("reply 0").contains("complete"));
    let heard = ask("127.0.0.1");
    assert!(heard.contains("(2)") && heard.ends_with("exit 97"), "{heard}");
    let line = proxy.until("reply 2");
    assert!(line.contains("127.0.0.1 opens more than 0.1 sessions a second"), "{line}");
    assert!(ask("10.99.0.1").contains("hello"), "it is nobody else's business");
    let (summary, _) = proxy.interrupt();
    assert!(summary.iter().any(|line| line.contains("1 sessions refused")), "{summary:?}");
}

#[test]
fn settings_are_read_again_and_no_flow_is_dropped() {
    if !possible("settings_are_read_again_and_no_flow_is_dropped", &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    drop(namespace.proxy(&[]));
    let _http = namespace.origin("127.0.0.1:8000", "http");
    let _flood = namespace.origin("127.0.0.1:8001", "flood");
    let folder = std::env::temp_dir().join(format!("sockhop-reload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room");
    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (program, users, config) = (neighbour("tun-demo"), at("users"), at("config"));
    let (program, fifo) = (program.to_string_lossy(), at("fifo"));
    namespace.shell(&format!("mkfifo '{fifo}'; printf 'secret\\n' | '{program}' passwd ann >'{users}'"));
    let settings = |more: &str| {
        let text = format!("listen = '{AT}'\nallow = ['loopback']\nusers = '{users}'\n{more}\n");
        std::fs::write(&config, text).expect("there is room");
    };
    settings("");
    let proxy = namespace.start("sh", &["-c", &format!("exec '{program}' socks5 --config '{config}' 2>&1")]);
    proxy.until("Ctrl-C");
    let ask = |login: &str| {
        namespace.shell(&format!("{CURL} -v --socks5 {login}@{AT} http://127.0.0.1:8000/ 2>&1; echo exit $?"))
    };
    assert!(ask("ann:secret").contains("hello"));
    assert!(proxy.until("reply 0").contains("user ann to"));
    for wrong in ["ann:secre", "ann:secrets", "bob:secret"] {
        assert!(ask(wrong).ends_with("exit 97"), "{wrong}");
        assert!(proxy.until("failed").contains("wrong user name or password"));
    }
    // It has begun and waits for its reader while the settings change.
    let slow =
        format!("{CURL} --http0.9 --socks5 ann:secret@{AT} 127.0.0.1:8001 | {{ cat '{fifo}'; wc -c; }}");
    let slow = namespace.start("sh", &["-c", &slow]);
    settings("deny = ['any:8000']");
    proxy.hang_up();
    proxy.until("the settings are read again");
    let heard = ask("ann:secret");
    assert!(heard.contains("(2)"), "{heard}");
    assert!(proxy.until("reply 2").contains("--deny any:8000"));
    settings("dney = ['any:8000']");
    proxy.hang_up();
    assert!(proxy.until("dney").contains("the settings stay as they were"));
    assert!(ask("ann:secret").contains("(2)"));
    std::fs::write(&fifo, b"").expect("somebody waits");
    assert_eq!(slow.until("6710").trim(), "67108864");
    std::fs::remove_dir_all(&folder).expect("it was made above");
}
