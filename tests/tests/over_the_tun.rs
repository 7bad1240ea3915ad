//! Real clients and the kernel's own TCP, through the proxy's stack behind a real TUN device.

use sockhop_tests::netns::{Namespace, neighbour, possible};

const CURL: &str = "curl -s --max-time 30";
const V4: &str = "198.18.0.2:1080";

#[test]
fn curl_reaches_addresses_and_names_of_both_families() {
    if !possible("curl_reaches_addresses_and_names_of_both_families", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _four = namespace.origin("127.0.0.1:8000", "http");
    let _six = namespace.origin("[::1]:8000", "http");
    let proxy = namespace.proxy(&[]);
    for (flag, at, target) in [
        ("--socks5", V4, "127.0.0.1"),
        ("--socks5-hostname", V4, "localhost"),
        ("--socks5", "[fd00:5ac5::2]:1080", "[::1]"),
        ("--socks4", V4, "127.0.0.1"),
        ("--socks4a", V4, "localhost"),
    ] {
        let line = format!("{CURL} {flag} '{at}' 'http://{target}:8000/'");
        assert_eq!(namespace.shell(&line), "hello", "{line}");
        assert!(proxy.until("complete").contains("down 24 B"));
    }
    let (summary, success) = proxy.interrupt();
    assert!(success && summary.iter().any(|line| line.contains("is removed")), "{summary:?}");
    assert!(!namespace.shell("ip link").contains("tun"), "the TUN is gone");
}

#[test]
fn a_refused_port_has_code_5_and_a_wrong_password_none_served() {
    if !possible("a_refused_port_has_code_5_and_a_wrong_password_none_served", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = namespace.proxy(&["--user", "ann:secret"]);
    let ask = |login: &str, port: u16| {
        namespace
            .shell(&format!("{CURL} -v --socks5 {login}@{V4} http://127.0.0.1:{port}/ 2>&1; echo exit $?"))
    };
    let served = ask("ann:secret", 8000);
    assert!(served.contains("hello") && served.ends_with("exit 0"), "{served}");
    proxy.until("user ann");
    let refused = ask("ann:secret", 9);
    assert!(refused.contains("(5)") && refused.ends_with("exit 97"), "{refused}");
    let wrong = ask("ann:wrong", 8000);
    assert!(wrong.ends_with("exit 97"), "{wrong}");
    let line = proxy.until("wrong user name or password");
    assert!(line.contains("up 0 B"), "{line}");
    let open = namespace.shell(&format!("{CURL} --socks5 {V4} http://127.0.0.1:8000/; echo exit $?"));
    assert_eq!(open, "exit 97");
}

#[test]
fn sixty_four_mebibytes_come_back_as_they_went_while_they_still_go() {
    if !possible("sixty_four_mebibytes_come_back_as_they_went_while_they_still_go", &["nc", "sha256sum"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "echo");
    let proxy = namespace.proxy(&[]);
    let blob = "seq 1 12000000 | head -c 67108864";
    let sent = namespace.shell(&format!("{blob} | sha256sum"));
    let back = namespace.shell(&format!("{blob} | nc -N -X 5 -x {V4} 127.0.0.1 8000 | sha256sum"));
    assert_eq!(sent, back);
    assert!(proxy.until("complete").contains("up 67108864 B down 67108864 B"));
}

#[test]
fn a_targets_fin_reaches_the_client_while_the_client_still_sends() {
    if !possible("a_targets_fin_reaches_the_client_while_the_client_still_sends", &["nc"]) {
        return;
    }
    let namespace = Namespace::new();
    let origin = namespace.origin("127.0.0.1:8000", "source");
    let proxy = namespace.proxy(&[]);
    let line = format!("head -c 3000000 /dev/zero | nc -N -X 5 -x {V4} 127.0.0.1 8000 | wc -c");
    assert_eq!(namespace.shell(&line), "1048576");
    assert_eq!(origin.until("ended"), "ended 3000000");
    proxy.until("complete");
}

#[test]
fn a_targets_reset_is_a_reset_to_the_client() {
    if !possible("a_targets_reset_is_a_reset_to_the_client", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "reset");
    let proxy = namespace.proxy(&["--ladder"]);
    let heard =
        namespace.shell(&format!("{CURL} -v --socks5 {V4} http://127.0.0.1:8000/ 2>&1; echo exit $?"));
    assert!(heard.ends_with("exit 56"), "a failure to receive, no clean end: {heard}");
    let line = proxy.until("target: the peer reset");
    assert!(line.contains("down 47 B"), "what came before the reset was passed on: {line}");
}

#[test]
fn the_ladder_shows_both_closers_with_the_kernel_as_the_other_end() {
    if !possible("the_ladder_shows_both_closers_with_the_kernel_as_the_other_end", &["nc"]) {
        return;
    }
    let namespace = Namespace::new();
    let _answer = namespace.origin("127.0.0.1:8000", "answer");
    let _source = namespace.origin("127.0.0.1:8001", "source");
    let proxy = namespace.proxy(&["--ladder"]);
    assert_eq!(namespace.shell(&format!("echo hi | nc -N -X 5 -x {V4} 127.0.0.1 8000")), "3");
    for change in [
        "CLOSED → LISTEN [listen()]",
        "LISTEN → SYN-RECEIVED [rcv SYN]",
        "SYN-RECEIVED → ESTABLISHED [rcv ACK]",
        "ESTABLISHED → CLOSE-WAIT [rcv FIN]",
        "CLOSE-WAIT → LAST-ACK [close()]",
        "LAST-ACK → CLOSED [rcv ACK]",
    ] {
        proxy.until(change);
    }
    namespace.shell(&format!("head -c 3000000 /dev/zero | nc -N -X 5 -x {V4} 127.0.0.1 8001 | wc -c"));
    proxy.until("#2");
    // Which side's FIN is first is up to the two kernels; each way is one of these, and ends the same.
    let change = proxy.until("#2    │ ESTABLISHED →");
    assert!(change.contains("FIN-WAIT-1") || change.contains("CLOSE-WAIT"), "{change}");
}

#[test]
fn a_stack_that_opens_takes_both_closers_paths_with_the_kernel() {
    if !possible("a_stack_that_opens_takes_both_closers_paths_with_the_kernel", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let _answer = namespace.origin("0.0.0.0:8000", "answer");
    let _line = namespace.origin("0.0.0.0:8001", "line");
    for (port, mode, closing) in [
        ("8000", "first", "FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED"),
        ("8001", "second", "CLOSE-WAIT LAST-ACK CLOSED"),
    ] {
        let opener = namespace.start(&neighbour("opener").to_string_lossy(), &[port, mode]);
        assert_eq!(opener.until("path"), format!("path SYN-SENT ESTABLISHED {closing}"));
        assert_eq!(opener.until("law"), "law None");
    }
}

#[test]
fn datagrams_of_every_size_pass_an_association_and_strangers_do_not() {
    if !possible("datagrams_of_every_size_pass_an_association_and_strangers_do_not", &[]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _four = namespace.origin("127.0.0.1:9000", "udp");
    let _six = namespace.origin("[::1]:9000", "udp");
    let proxy = namespace.proxy(&[]);
    for (target, source) in
        [("127.0.0.1:9000", "127.0.0.1:9000"), ("[::1]:9000", "[::1]:9000"), ("localhost:9000", ":9000")]
    {
        let asker = neighbour("asker");
        let asker = namespace.start(&asker.to_string_lossy(), &[V4, target, "datagrams"]);
        for line in asker.echoed() {
            assert!(line.contains(source), "{target}: {line}");
        }
        let report = proxy.until("udp at 198.18.0.2:");
        assert!(report.contains("up 69665 B down 69665 B") && report.contains("complete"), "{report}");
    }
}

#[test]
fn a_bind_takes_the_awaited_peer_and_nobody_else() {
    if !possible("a_bind_takes_the_awaited_peer_and_nobody_else", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let proxy = namespace.proxy(&[]);
    let asker = namespace.asker(&["bind"]);
    for line in ["stranger turned away", "peer named", "second refused", "carried up.. down"] {
        assert_eq!(asker.line().as_deref(), Some(line));
    }
    assert!(proxy.until("by BIND").contains("up 4 B down 4 B"));
}

#[test]
fn a_denied_address_is_refused_in_every_spelling_and_a_newline_forges_no_line() {
    let name = "a_denied_address_is_refused_in_every_spelling_and_a_newline_forges_no_line";
    if !possible(name, &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _origin = namespace.origin("10.99.0.1:8000", "http");
    let proxy = namespace.proxy(&["--deny", "10.99.0.0/16"]);
    for (flag, target) in
        [("--socks5", "10.99.0.1"), ("--socks5-hostname", "10.99.0.1"), ("--socks5", "[::ffff:10.99.0.1]")]
    {
        let line = format!("{CURL} -v {flag} {V4} 'http://{target}:8000/' 2>&1; echo exit $?");
        let heard = namespace.shell(&line);
        assert!(heard.contains("(2)") && heard.ends_with("exit 97"), "{target}: {heard}");
        assert!(proxy.until("10.99.0.1").contains("--deny 10.99.0.0/16"));
    }
    let request = "\\005\\001\\000\\005\\001\\000\\003\\011evil\\nuser\\000\\120";
    namespace.shell(&format!("printf '{request}' | nc -N 198.18.0.2 1080"));
    let line = proxy.until("evil");
    assert!(line.contains("evil\\nuser:80"), "{line}");
}

#[test]
fn another_server_carries_connections_binds_and_datagrams() {
    if !possible("another_server_carries_connections_binds_and_datagrams", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.shell("ip addr add 10.99.0.1/32 dev lo");
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let _echo = namespace.origin("127.0.0.1:9000", "udp");
    let program = neighbour("tun-demo").to_string_lossy().into_owned();
    let _near = namespace.proxy(&["--egress", "socks5://ann:s%40cret@198.18.4.2:1080", "--deny", ".evil"]);
    // The other one is not there yet: that is this proxy's failure, and says nothing of the target.
    let curl = |host: &str| {
        namespace.shell(&format!("{CURL} -v --socks5-hostname {V4} http://{host}:8000/ 2>&1; echo exit $?"))
    };
    let heard = curl("localhost");
    assert!(heard.contains("(1)") && heard.ends_with("exit 97"), "{heard}");
    let far = ["socks5", "--addr", "198.18.4.2/30", "--addr6", "none", "--user", "ann:s@cret"];
    let far = namespace.start(&program, &[&far[..], &["--allow", "loopback"]].concat());
    far.until("Ctrl-C");
    let heard = curl("localhost");
    assert!(heard.contains("hello"), "{heard}");
    assert!(far.until("localhost:8000").contains("user ann"), "the name is resolved at the far end");
    // What the other server says of the target is passed on as it was said.
    let heard = namespace.shell(&format!("{CURL} -v --socks5-hostname {V4} http://localhost:1/ 2>&1; echo"));
    assert!(heard.contains("(5)"), "{heard}");
    assert!(curl("www.evil").contains("(2)"), "the rules of the near end hold");
    let asker = namespace.asker(&["bind"]);
    for line in ["stranger turned away", "peer named", "second refused", "carried up.. down"] {
        assert_eq!(asker.line().as_deref(), Some(line));
    }
    let asker = neighbour("asker");
    for target in ["127.0.0.1:9000", "localhost:9000"] {
        let asker = namespace.start(&asker.to_string_lossy(), &[V4, target, "datagrams"]);
        for line in asker.echoed() {
            assert!(line.contains(" from 127.0.0.1:9000"), "{target}: {line}");
        }
    }
}

#[test]
fn a_ladder_that_nobody_reads_holds_no_client_up() {
    if !possible("a_ladder_that_nobody_reads_holds_no_client_up", &["curl", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "flood");
    let fifo = std::env::temp_dir().join(format!("sockhop-pager-{}", std::process::id()));
    let path = fifo.to_string_lossy().into_owned();
    namespace.shell(&format!("mkfifo '{path}'"));
    // The shell holds the other end of the pipe open and reads nothing of it.
    let program = neighbour("tun-demo").to_string_lossy().into_owned();
    let line = format!(
        "exec 3<>'{path}'; '{program}' socks5 --addr6 none --allow loopback --ladder >'{path}' & \
         until ip addr show | grep -q 198.18.0.1; do :; done; \
         curl -s --max-time 20 --retry 5 --retry-connrefused --http0.9 --socks5 {V4} 127.0.0.1:8000 | wc -c; kill -INT $!; wait $!; echo code $?"
    );
    let counted = namespace.shell(&line);
    std::fs::remove_file(&fifo).expect("it was made above");
    assert_eq!(counted, "67108864\ncode 1", "everything came, and the end is not waited for either");
}

#[test]
fn nine_hundred_stalled_clients_and_ten_thousand_that_leave_cost_the_others_nothing() {
    let name = "nine_hundred_stalled_clients_and_ten_thousand_that_leave_cost_the_others_nothing";
    if !possible(name, &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = namespace.proxy(&["--handshake-timeout", "4"]);
    let one = format!("{CURL} -w '\n' --socks5 {V4} http://127.0.0.1:8000/");
    assert_eq!(namespace.shell(&one), "hello");
    let descriptors = proxy.descriptors();
    let stalled = namespace.asker(&["stall", "900"]);
    stalled.until("stall 900");
    let served = namespace.shell(&format!("for i in $(seq 100); do {one}; done | grep -c '^hello$'"));
    assert_eq!(served, "100");
    stalled.until("ended");
    namespace.asker(&["churn", "10000"]).until("ended");
    assert_eq!(namespace.shell(&one), "hello");
    // The client has its answer before the proxy has heard the origin's end.
    let until = std::time::Instant::now() + core::time::Duration::from_secs(10);
    while proxy.descriptors() > descriptors && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(proxy.descriptors(), descriptors, "every descriptor is back");
    let (summary, _) = proxy.interrupt();
    assert!(summary.iter().any(|line| line.contains("left over: 0 connections")), "{summary:?}");
}

#[test]
fn a_silent_client_is_closed_by_its_deadline() {
    if !possible("a_silent_client_is_closed_by_its_deadline", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let proxy = namespace.proxy(&["--handshake-timeout", "0.5"]);
    assert_eq!(namespace.asker(&["silent"]).until("ended"), "ended after 0 octets");
    proxy.until("took too long in Greeting");
}

#[test]
fn five_hundred_connections_one_after_another_leave_nothing_behind() {
    if !possible("five_hundred_connections_one_after_another_leave_nothing_behind", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "http");
    let proxy = namespace.proxy(&[]);
    let one = format!("{CURL} -w '\n' --socks5 {V4} http://127.0.0.1:8000/");
    let served = namespace.shell(&format!("for i in $(seq 500); do {one}; done | grep -c '^hello$'"));
    assert_eq!(served, "500");
    let at_once = namespace.shell(&format!(
        "for i in $(seq 64); do {{ r=$({one}); echo \"$r\"; }} & done | grep -c '^hello$'; wait"
    ));
    assert_eq!(at_once, "64");
    let (summary, _) = proxy.interrupt();
    assert!(summary.iter().any(|line| line.contains("564 connections accepted")), "{summary:?}");
    assert!(summary.iter().any(|line| line.contains("left over: 0 connections")), "{summary:?}");
}

#[test]
fn a_clients_reset_is_a_reset_to_the_target() {
    if !possible("a_clients_reset_is_a_reset_to_the_target", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let origin = namespace.origin("127.0.0.1:8000", "echo");
    let proxy = namespace.proxy(&[]);
    assert_eq!(namespace.asker(&["reset"]).until("reset"), "reset");
    assert_eq!(origin.until("broke"), "broke ConnectionReset");
    proxy.until("client: the peer reset");
}

#[test]
fn a_reader_that_stops_closes_the_window_back_to_the_origin_and_then_hears_everything() {
    let name = "a_reader_that_stops_closes_the_window_back_to_the_origin_and_then_hears_everything";
    if !possible(name, &["mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let origin = namespace.origin("127.0.0.1:8000", "flood");
    let proxy = namespace.proxy(&["--ladder"]);
    let fifo = std::env::temp_dir().join(format!("sockhop-fifo-{}", std::process::id()));
    let path = fifo.to_string_lossy().into_owned();
    namespace.shell(&format!("mkfifo '{path}'"));
    let reader = namespace.asker(&["rest", &path]);
    // The kernel's buffers on both sides and one pair of rings are all the room there is.
    proxy.until("zero window");
    let memory = proxy.memory();
    assert!(memory < 64 << 20, "{memory} octets are held for one reader that rests");
    namespace.shell(&format!(": > '{path}'"));
    assert_eq!(reader.until("received"), "received 67108864 right");
    assert!(origin.until("ended").starts_with("ended"));
    assert!(proxy.until("complete").contains("down 67108864 B"));
    std::fs::remove_file(&fifo).expect("it was made above");
}

#[test]
fn every_transfer_gets_through_a_tun_that_loses_a_tenth_both_ways() {
    let name = "every_transfer_gets_through_a_tun_that_loses_a_tenth_both_ways";
    if !possible(name, &["nft", "nc", "sha256sum"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "echo");
    let proxy = namespace.proxy(&["--tun", "lossy0", "--mtu", "1500"]);
    namespace.shell("nft add table inet loss");
    for (hook, name) in [("output", "oifname"), ("input", "iifname")] {
        namespace
            .shell(&format!("nft 'add chain inet loss {hook} {{ type filter hook {hook} priority 0; }}'"));
        namespace
            .shell(&format!("nft add rule inet loss {hook} {name} lossy0 numgen random mod 10 == 0 drop"));
    }
    let rules = namespace.shell("nft list ruleset");
    assert_eq!(rules.matches("numgen random mod 10 0 drop").count(), 2, "the rules are in force: {rules}");
    let blob = "seq 1 60000 | head -c 60000";
    let sent = namespace.shell(&format!("{blob} | sha256sum"));
    // Eight at once, twice each, each compared by its digest.
    let one = format!("{blob} | timeout 100 nc -N -X 5 -x {V4} 127.0.0.1 8000 | sha256sum");
    let line = format!("for i in 1 2 3 4 5 6 7 8; do (for j in 1 2; do {one}; done) & done; wait");
    let back = namespace.shell(&line);
    assert_eq!(back.lines().filter(|line| **line == *sent).count(), 16, "{back}");
    for _ in 0..16 {
        proxy.until("complete");
    }
}
