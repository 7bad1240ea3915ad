//! The proxy with two workers, each with a queue of the TUN: what belongs together stays together, whichever queue it
//! comes by, and the whole is asked, told and ended as one.

use rustix::process::{Pid, Signal, kill_process};
use sockhop_tests::netns::{Namespace, Running, neighbour, possible};
use std::path::{Path, PathBuf};

const V4: &str = "198.18.0.2:1080";
const CURL: &str = "curl -s --max-time 30 --socks5 198.18.0.2:1080";
const PAGE: &str = "curl -s --max-time 20 http://127.0.0.1:9090/metrics";

/// Starts the proxy with two workers.
fn two(namespace: &Namespace, arguments: &[&str]) -> Running {
    namespace.proxy(&[&["--workers", "2"], arguments].concat())
}

/// Fetches the page from 8000 so often that a queue without a connection would be a wonder: one in a billion.
fn fetch(namespace: &Namespace) {
    let many =
        format!("for i in $(seq 30); do {CURL} -w '\\n' http://127.0.0.1:8000/; done | grep -c '^hello$'");
    assert_eq!(namespace.shell(&many), "30");
}

/// Returns the value of a sample, which is there.
fn value(page: &str, sample: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(sample));
    let value = line.and_then(|rest| rest.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{sample} is not in\n{page}"))
}

/// Returns how many of these connections each worker had: those of the one have odd numbers, those of the other even.
fn dealt(flows: impl Iterator<Item = u64>) -> [usize; 2] {
    flows.fold([0, 0], |mut of, flow| {
        of[usize::from(flow % 2 == 0)] += 1;
        of
    })
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sockhop-workers-{}-{name}", std::process::id()))
}

fn signal(running: &Running, signal: Signal) {
    let pid = Pid::from_raw(running.id().cast_signed()).expect("a process has a number");
    kill_process(pid, signal).expect("it is ours");
}

/// Clients of the flood at 8000 that read nothing until they are told to.
struct Resting(Vec<(Running, PathBuf)>);

impl Resting {
    fn begin(namespace: &Namespace, count: usize) -> Self {
        let one = |number: usize| {
            let fifo = place(&format!("fifo-{count}-{number}"));
            let path = fifo.to_string_lossy().into_owned();
            namespace.shell(&format!("mkfifo '{path}'"));
            (namespace.asker(&["rest", &path]), fifo)
        };
        Self((0..count).map(one).collect())
    }

    fn read_on(self) {
        for (reader, fifo) in self.0 {
            std::fs::write(&fifo, b"go").expect("the reader waits");
            assert_eq!(reader.until("received"), "received 67108864 right");
            std::fs::remove_file(&fifo).expect("it was made at the beginning");
        }
    }
}

#[test]
fn both_queues_carry_and_everything_that_is_told_is_of_both() {
    let name = "both_queues_carry_and_everything_that_is_told_is_of_both";
    if !possible(name, &["curl", "nc", "sha256sum"]) {
        return;
    }
    let namespace = Namespace::new();
    let _http = namespace.origin("127.0.0.1:8000", "http");
    let _echo = namespace.origin("127.0.0.1:8001", "echo");
    let (control, trace) = (place("control"), place("trace.jsonl"));
    let (at, file) = (control.to_string_lossy().into_owned(), trace.to_string_lossy().into_owned());
    let proxy = two(&namespace, &["--metrics", "127.0.0.1:9090", "--control", &at, "--trace", &file]);
    fetch(&namespace);
    // Eight at once, whose octets have to come back to those who sent them.
    let blob = "seq 1 1000000 | head -c 4194304";
    let sent = namespace.shell(&format!("{blob} | sha256sum"));
    let one = format!("{blob} | nc -N -X 5 -x {V4} 127.0.0.1 8001 | sha256sum");
    let back = namespace.shell(&format!("for i in $(seq 8); do {one} & done; wait"));
    assert_eq!(back.lines().filter(|line| **line == *sent).count(), 8, "{back}");
    for _ in 0..38 {
        proxy.until("complete");
    }

    let page = namespace.shell(PAGE);
    assert_eq!(value(&page, "sockhop_sessions_total{reply=\"0\",end=\"complete\"}"), 38.0, "{page}");
    assert_eq!(value(&page, "sockhop_flows_accepted_total"), 38.0);
    assert_eq!(value(&page, "sockhop_dial_seconds_count"), 38.0);
    assert!(value(&page, "sockhop_octets_total{direction=\"up\"}") > 8.0 * 4_194_304.0);

    let program = neighbour("tun-demo").to_string_lossy().into_owned();
    let said = namespace.output(&program, &["netstat", "--json", "--control", &at]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let flows = said.split("\"flow\":").skip(1);
    let shown =
        dealt(flows.map(|rest| rest.split(',').next().and_then(|flow| flow.parse().ok()).expect("a number")));
    assert!(shown.iter().all(|of| *of > 0), "each worker has some in TIME-WAIT: {said}");
    let listeners = said.split("\"listeners\":[").nth(1).and_then(|rest| rest.split("\"ports\"").next());
    assert_eq!(listeners.map(|all| all.matches("1080").count()), Some(1 + 1), "one of each family: {said}");

    let (summary, success) = proxy.interrupt();
    assert!(success && summary.iter().any(|line| line.contains("38 connections accepted")), "{summary:?}");
    assert!(summary.iter().any(|line| line.contains("left over: 0 connections")), "{summary:?}");
    assert!(!namespace.shell("ip link").contains("tun"), "every queue is closed, so the device is gone");
    assert!(!control.exists(), "so is the control socket");
    check(&program, &trace, 38);
}

/// Has a trace checked, whose events are in order of time and numbered without a gap.
fn check(program: &str, trace: &Path, connections: usize) {
    let checked =
        std::process::Command::new(program).args(["trace", "check"]).arg(trace).output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        checked.status.success() && said.contains(&format!("of {connections} connections, 0 rules")),
        "{said}"
    );
    let text = std::fs::read_to_string(trace).expect("it was written");
    let number = |line: &str, key: &str| {
        let rest = line.split_once(key).map(|(_, rest)| rest).expect("each event has it");
        rest.split([',', '}']).next().and_then(|text| text.parse::<u64>().ok()).expect("a number")
    };
    let events: Vec<&str> = text.lines().skip(1).collect();
    assert!(events.iter().map(|line| number(line, "\"serial\":")).eq(0..events.len() as u64));
    assert!(events.iter().map(|line| number(line, "\"time\":")).is_sorted(), "{}", trace.display());
    let opened = events.iter().filter(|line| line.contains("\"event\":\"opened\""));
    let of = dealt(opened.map(|line| number(line, "\"flow\":")));
    assert!(of.iter().all(|of| *of > 0), "{of:?}");
    std::fs::remove_file(trace).expect("it was written above");
}

#[test]
fn datagrams_and_awaited_peers_find_their_worker_by_either_queue() {
    let name = "datagrams_and_awaited_peers_find_their_worker_by_either_queue";
    if !possible(name, &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _udp = namespace.origin("127.0.0.1:9000", "udp");
    let proxy = two(&namespace, &["--metrics", "127.0.0.1:9090"]);
    // A connection and the datagrams that belong to it are dealt by two draws: in half of the rounds, to two queues.
    for _ in 0..24 {
        let asker = neighbour("asker");
        let asker = namespace.start(&asker.to_string_lossy(), &[V4, "127.0.0.1:9000", "datagrams"]);
        asker.echoed();
        proxy.until("udp at 198.18.0.2:");
    }
    assert!(value(&namespace.shell(PAGE), "sockhop_stray_packets_total") > 0.0);
    for _ in 0..8 {
        let asker = namespace.asker(&["bind"]);
        for line in ["stranger turned away", "peer named", "second refused", "carried up.. down"] {
            assert_eq!(asker.line().as_deref(), Some(line));
        }
        proxy.until("by BIND");
    }
}

#[test]
fn what_the_stack_dials_and_sends_is_carried_by_the_worker_that_began_it() {
    let name = "what_the_stack_dials_and_sends_is_carried_by_the_worker_that_began_it";
    if !possible(name, &["curl", "nc", "sha256sum"]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _http = namespace.origin("10.99.0.1:8000", "http");
    let _echo = namespace.origin("10.99.0.1:8001", "echo");
    let _udp = namespace.origin("10.99.0.1:9000", "udp");
    let proxy = two(&namespace, &["--egress", "stack", "--metrics", "127.0.0.1:9090"]);
    let many =
        format!("for i in $(seq 30); do {CURL} -w '\\n' http://10.99.0.1:8000/; done | grep -c '^hello$'");
    assert_eq!(namespace.shell(&many), "30");
    let blob = "seq 1 1000000 | head -c 4194304";
    let sent = namespace.shell(&format!("{blob} | sha256sum"));
    let one = format!("{blob} | nc -N -X 5 -x {V4} 10.99.0.1 8001 | sha256sum");
    let back = namespace.shell(&format!("for i in $(seq 8); do {one} & done; wait"));
    assert_eq!(back.lines().filter(|line| **line == *sent).count(), 8, "{back}");
    for _ in 0..38 {
        proxy.until("complete");
    }
    // Both the client's port for datagrams and the one towards the target stand on the stack.
    for _ in 0..12 {
        let asker = neighbour("asker");
        let asker = namespace.start(&asker.to_string_lossy(), &[V4, "10.99.0.1:9000", "datagrams"]);
        asker.echoed();
    }
    assert!(value(&namespace.shell(PAGE), "sockhop_stray_packets_total") > 0.0);
    let (summary, _) = proxy.interrupt();
    assert!(summary.iter().any(|line| line.contains("left over: 0 connections")), "{summary:?}");
}

#[test]
fn a_drain_waits_for_the_sessions_of_every_worker_and_a_reload_reaches_them() {
    let name = "a_drain_waits_for_the_sessions_of_every_worker_and_a_reload_reaches_them";
    if !possible(name, &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let _flood = namespace.origin("127.0.0.1:8000", "flood");
    let _http = namespace.origin("127.0.0.1:8001", "http");
    let settings = place("settings.toml");
    let path = settings.to_string_lossy().into_owned();
    std::fs::write(&settings, "allow = [\"loopback\"]\n").expect("root may write there");
    let proxy = two(&namespace, &["--drain", "60", "--metrics", "127.0.0.1:9090", "--config", &path]);
    let codes = || {
        let one =
            format!("{CURL} -o /dev/null -w '%{{proxy_used}}' http://127.0.0.1:8001/; echo \" exit $?\"");
        let said = namespace.shell(&format!("for i in $(seq 30); do {one}; done"));
        ["exit 0", "exit 97"].map(|code| said.lines().filter(|line| line.ends_with(code)).count())
    };
    assert_eq!(codes(), [30, 0]);
    std::fs::write(&settings, "deny = [\"127.0.0.1:8001\"]\n").expect("root may write there");
    proxy.hang_up();
    // Both have it once as many as in a billion draws would all be refused.
    let denied = std::time::Instant::now() + core::time::Duration::from_secs(20);
    while codes() != [0, 30] {
        assert!(std::time::Instant::now() < denied, "somebody still lets clients through");
    }
    let resting = Resting::begin(&namespace, 8);
    let standing = format!("until {PAGE} | grep -q '^sockhop_sessions 8$'; do :; done; echo stands");
    assert_eq!(namespace.shell(&standing), "stands");
    signal(&proxy, Signal::TERM);
    let healthz = PAGE.replace("metrics", "healthz");
    assert!(namespace.shell(&format!("until {healthz} | grep draining; do :; done")).starts_with("draining"));
    let again = format!(
        "for i in $(seq 10); do {CURL} http://127.0.0.1:8001/; echo exit $?; done | grep -c 'exit 7'"
    );
    let until = std::time::Instant::now() + core::time::Duration::from_secs(20);
    while namespace.shell(&again) != "10" {
        assert!(std::time::Instant::now() < until, "somebody still listens");
    }
    resting.read_on();
    proxy.until("is removed");
    std::fs::remove_file(settings).expect("it was made above");
}

#[test]
fn sources_are_counted_over_all_workers() {
    if !possible("sources_are_counted_over_all_workers", &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let proxy = two(&namespace, &["--per-source", "5", "--metrics", "127.0.0.1:9090"]);
    let _flood = namespace.origin("127.0.0.1:8000", "flood");
    let resting = Resting::begin(&namespace, 5);
    let standing = format!("until {PAGE} | grep -q '^sockhop_sessions 5$'; do :; done; echo stands");
    assert_eq!(namespace.shell(&standing), "stands");
    // Whichever worker these come to, they are too many.
    let more = format!(
        "for i in $(seq 30); do {CURL} http://127.0.0.1:8000/; echo exit $?; done | grep -c 'exit 97'"
    );
    assert_eq!(namespace.shell(&more), "30");
    assert_eq!(value(&namespace.shell(PAGE), "sockhop_caps_reached_total{cap=\"source\"}"), 30.0);
    resting.read_on();
    for _ in 0..5 {
        proxy.until("down 67108864 B");
    }
}

#[test]
fn two_workers_without_offloads_carry_as_well() {
    if !possible("two_workers_without_offloads_carry_as_well", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _http = namespace.origin("127.0.0.1:8000", "http");
    let proxy = two(&namespace, &["--no-offload", "--mtu", "1500", "--ladder"]);
    fetch(&namespace);
    // A report stands behind the events of its session in the ladder of both.
    let mut opened = 0;
    for _ in 0..30 {
        proxy.until("complete");
        opened += 1;
    }
    assert_eq!(opened, 30);
    let (summary, success) = proxy.interrupt();
    assert!(success && summary.iter().any(|line| line.contains("30 connections accepted")), "{summary:?}");
}
