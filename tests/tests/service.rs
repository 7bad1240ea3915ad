//! The proxy as a service: numbers, health, a manager who is told, sockets that are handed over, and a drain.

use rustix::process::{Pid, Signal, kill_process};
use sockhop_tests::netns::{Namespace, Running, neighbour, possible};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const CURL: &str = "curl -s --max-time 20 --socks5 198.18.0.2:1080";
const BY_NAME: &str = "curl -s --max-time 20 --socks5-hostname 198.18.0.2:1080";
const PAGE: &str = "curl -s --max-time 20 http://127.0.0.1:9090";

/// Returns the value of a sample, which is there.
fn value(page: &str, sample: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(sample));
    let value = line.and_then(|rest| rest.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{sample} is not in\n{page}"))
}

fn signal(running: &Running, signal: Signal) {
    let pid = Pid::from_raw(running.id().cast_signed()).expect("a process has a number");
    kill_process(pid, signal).expect("it is ours");
}

#[test]
fn numbers_say_what_was_carried_refused_and_mended() {
    if !possible("numbers_say_what_was_carried_refused_and_mended", &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let _flood = namespace.origin("127.0.0.1:8000", "flood");
    let _http = namespace.origin("127.0.0.1:8001", "http");
    let proxy = namespace.proxy(&["--metrics", "127.0.0.1:9090", "--ladder"]);
    assert_eq!(namespace.shell(&format!("{PAGE}/healthz")), "ok");
    for _ in 0..3 {
        assert_eq!(namespace.shell(&format!("{CURL} http://127.0.0.1:8001/")), "hello");
    }
    assert_eq!(namespace.shell(&format!("{BY_NAME} http://localhost:8001/")), "hello");
    namespace.shell(&format!("{CURL} http://127.0.0.1:1/"));
    // A reader that rests closes its window.
    let fifo = place("numbers");
    let path = fifo.to_string_lossy().into_owned();
    namespace.shell(&format!("mkfifo '{path}'"));
    let reader = namespace.asker(&["rest", &path]);
    proxy.until("zero window");
    std::fs::write(&fifo, b"go").expect("the reader waits");
    assert_eq!(reader.until("received"), "received 67108864 right");
    proxy.until("down 67108864 B");
    std::fs::remove_file(&fifo).expect("it was made above");
    let page = namespace.shell(&format!("{PAGE}/metrics"));
    for (sample, wanted) in [
        ("sockhop_sessions_total{reply=\"0\",end=\"complete\"}", 5.0),
        ("sockhop_sessions_total{reply=\"5\",end=\"failed\"}", 1.0),
        ("sockhop_dial_seconds_count", 6.0),
        ("sockhop_resolve_seconds_count", 1.0),
        ("sockhop_flows_accepted_total", 6.0),
        ("sockhop_caps_reached_total{cap=\"source\"}", 0.0),
        ("sockhop_stack_panics_total", 0.0),
        ("sockhop_flows{state=\"ESTABLISHED\"}", 0.0),
    ] {
        assert_eq!(value(&page, sample), wanted, "{sample} in\n{page}");
    }
    assert!(value(&page, "sockhop_octets_total{direction=\"down\"}") >= 67_108_864.0);
    assert!(value(&page, "sockhop_flows{state=\"TIME-WAIT\"}") > 0.0);
    let rules = page.matches("sockhop_guard_actions_total{rule=").count();
    assert_eq!(rules, sockhop::tcp::Rule::ALL.len(), "each rule is there: {page}");
    assert!(value(&page, "sockhop_zero_window_seconds_total{side=\"peer\"}") > 0.0, "{page}");
    // Each family is announced once, and every sample belongs to one.
    let announced: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let names: std::collections::HashSet<&str> =
        announced.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names.len(), announced.len(), "{announced:?}");
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let of = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(names.contains(name) || of.is_some_and(|name| names.contains(name)), "{line}");
    }
}

#[test]
fn a_drain_lets_a_download_finish_and_serves_nobody_new() {
    if !possible("a_drain_lets_a_download_finish_and_serves_nobody_new", &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let _flood = namespace.origin("127.0.0.1:8000", "flood");
    let proxy = namespace.proxy(&["--drain", "60", "--metrics", "127.0.0.1:9090"]);
    let fifo = place("drain");
    let path = fifo.to_string_lossy().into_owned();
    namespace.shell(&format!("mkfifo '{path}'"));
    let reader = namespace.asker(&["rest", &path]);
    let standing = format!("until {PAGE}/metrics | grep -q '^sockhop_sessions 1$'; do :; done; echo stands");
    assert_eq!(namespace.shell(&standing), "stands");
    signal(&proxy, Signal::TERM);
    let draining = format!("until {PAGE}/healthz | grep draining; do :; done");
    assert!(namespace.shell(&draining).starts_with("draining"));
    let refused = namespace.shell(&format!("{CURL} http://127.0.0.1:8000/; echo exit $?"));
    assert_eq!(refused, "exit 7", "nobody listens any more");
    std::fs::write(&fifo, b"go").expect("the reader waits");
    assert_eq!(reader.until("received"), "received 67108864 right");
    proxy.until("is removed");
    std::fs::remove_file(&fifo).expect("it was made above");
}

#[test]
fn a_manager_is_told_that_it_serves_lives_reloads_and_stops() {
    if !possible("a_manager_is_told_that_it_serves_lives_reloads_and_stops", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let (socket, settings) = (place("notify"), place("settings.toml"));
    std::fs::write(&settings, "deny = [\"10.0.0.0/8\"]\n").expect("root may write there");
    let manager = UnixDatagram::bind(&socket).expect("root may bind there");
    manager.set_read_timeout(Some(core::time::Duration::from_secs(20))).expect("it is a socket");
    let hear = || {
        let mut room = [0; 256];
        let count = manager.recv(&mut room).expect("it is told in time");
        String::from_utf8_lossy(&room[..count]).into_owned()
    };
    let notify = format!("NOTIFY_SOCKET={}", socket.display());
    drop(namespace.proxy(&[]));
    let program = neighbour("tun-demo").to_string_lossy().into_owned();
    let settings_path = settings.to_string_lossy().into_owned();
    let line =
        [&notify, "WATCHDOG_USEC=400000", &program, "socks5", "--addr6", "none", "--config", &settings_path];
    let proxy = namespace.start("env", &line);
    assert_eq!(hear(), "READY=1");
    // Nothing happens in this loop, and yet it turns.
    assert_eq!((hear(), hear()), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    proxy.hang_up();
    let mut told = hear();
    while told == "WATCHDOG=1" {
        told = hear();
    }
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    assert_eq!(hear(), "READY=1");
    signal(&proxy, Signal::TERM);
    let mut told = hear();
    while told == "WATCHDOG=1" {
        told = hear();
    }
    assert_eq!(told, "STOPPING=1");
    for path in [socket, settings] {
        std::fs::remove_file(path).expect("it was made above");
    }
}

#[test]
fn sockets_that_are_handed_over_are_served_and_logs_are_json() {
    if !possible("sockets_that_are_handed_over_are_served_and_logs_are_json", &["curl"]) {
        return;
    }
    drop(Namespace::new().proxy(&[]));
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is up");
    let at = listener.local_addr().expect("it is bound");
    let line = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" socks5 --activated --log json";
    let mut child = Command::new("sh")
        .args(["-c", line, &neighbour("tun-demo").to_string_lossy()])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    // The connection waits in the socket that was handed over until somebody takes it.
    let stream = TcpStream::connect(at).expect("somebody listens");
    drop(stream);
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process has a number");
    let output = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(output).map_while(Result::ok);
    let line = lines.by_ref().find(|line| line.contains("\"message\":\"session\"")).expect("it was served");
    assert!(line.starts_with("{\"timestamp\":") && line.contains("\"client\":\"127.0.0.1:"), "{line}");
    kill_process(pid, Signal::TERM).expect("it is ours");
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().all(|line| line.starts_with('{') && line.ends_with('}')), "{rest:?}");
    assert!(child.wait().expect("it is ours").success());
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sockhop-{name}-{}", std::process::id()))
}
