//! The echo service and its client: at sockets of the host, on the stack, from the stack, and through the proxy.

use sockhop_tests::netns::{Namespace, Running, possible, program};

fn tun_demo(namespace: &Namespace, arguments: &[&str]) -> Running {
    namespace.start(&program().to_string_lossy(), arguments)
}

fn ping(namespace: &Namespace, arguments: &[&str]) {
    let fixed = ["ping", "--quiet", "--count", "50", "--interval", "0.002"];
    let output = namespace.output(&program().to_string_lossy(), &[&fixed, arguments].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && text.contains("50 sent, 50 answered, 0.0 % lost"),
        "{arguments:?}: {text}{err}"
    );
    assert!(text.contains("median") && text.contains('█'), "{text}");
}

#[test]
fn echoes_come_back_by_both_protocols_and_every_way() {
    if !possible("echoes_come_back_by_both_protocols_and_every_way", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let host = tun_demo(&namespace, &["echo"]);
    host.until("echoing");
    let proxy = namespace.proxy(&[]);
    let stack = tun_demo(&namespace, &["echo", "--on-stack", "--addr", "198.18.4.2/30"]);
    stack.until("echoing");
    for udp in [&[][..], &["--udp"]] {
        ping(&namespace, &[udp, &["127.0.0.1:7008"]].concat());
        ping(&namespace, &[udp, &["198.18.4.2:7008"]].concat());
        ping(&namespace, &[udp, &["--from-stack", "--addr", "198.18.8.2/30", "198.18.8.1:7008"]].concat());
        ping(&namespace, &[udp, &["--via", "socks5://198.18.0.2:1080", "127.0.0.1:7008"]].concat());
    }
    drop(proxy);
    for echo in [host, stack] {
        let (said, done) = echo.interrupt();
        assert!(done && said.iter().any(|line| line.contains("0 dropped")), "{said:?}");
    }
}

#[test]
fn nine_hundred_udp_peers_are_answered_at_once() {
    if !possible("nine_hundred_udp_peers_are_answered_at_once", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let stack = tun_demo(&namespace, &["echo", "--udp", "--on-stack"]);
    stack.until("echoing");
    namespace.enter();
    let peers: Vec<_> = (0..900)
        .map(|_| {
            let peer = std::net::UdpSocket::bind("198.18.0.1:0").expect("the host has ports");
            peer.set_read_timeout(Some(core::time::Duration::from_secs(10))).expect("a time is set");
            peer.connect("198.18.0.2:7008").expect("there is a route");
            peer
        })
        .collect();
    for round in 0..4_u32 {
        for (number, peer) in (0_u32..).zip(&peers) {
            peer.send(&(round << 16 | number).to_be_bytes()).expect("it is sent");
            // A hundred wait in the kernel at most: UDP has no window.
            if number % 100 == 99 {
                for earlier in number - 99..=number {
                    let mut echo = [0; 8];
                    let count = peers[earlier as usize].recv(&mut echo).expect("an echo comes");
                    assert_eq!(echo[..count], (round << 16 | earlier).to_be_bytes());
                }
            }
        }
    }
    let (said, _) = stack.interrupt();
    assert!(said.iter().any(|line| line.contains("3600 datagrams, 0 dropped")), "{said:?}");
}

#[test]
fn nobody_there_is_told_with_what_to_do() {
    if !possible("nobody_there_is_told_with_what_to_do", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let output = namespace.output(&program().to_string_lossy(), &["ping", "127.0.0.1:9"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does anything listen there?"));
}
