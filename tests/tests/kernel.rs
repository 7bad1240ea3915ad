//! The kernel's own account of its end of a connection, held against what our end recorded.

use sockhop::tcp::State;
use sockhop::trace::{Event, Flow, View};
use sockhop_hosted::report::{Trace, read};
use sockhop_tests::netns::{Namespace, possible};
use std::path::PathBuf;

#[test]
fn the_kernel_agrees_on_state_and_window_while_its_reader_rests() {
    if !possible("the_kernel_agrees_on_state_and_window_while_its_reader_rests", &["ss", "mkfifo"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "flood");
    let files = Files::new();
    let proxy = namespace.proxy(&["--ladder", "--trace", &files.trace()]);
    namespace.shell(&format!("mkfifo '{}'", files.fifo()));
    let reader = namespace.asker(&["rest", &files.fifo()]);
    proxy.until("zero window");
    let theirs = namespace.shell("ss -Htin dst 198.18.0.2");
    namespace.shell(&format!(": > '{}'", files.fifo()));
    reader.until("received");
    proxy.until("complete");
    let (summary, success) = proxy.interrupt();
    assert!(success, "{summary:#?}");
    let trace = files.read();
    let closed = |event: &Event| matches!(event.view(), Some(View::Segment { sent: false, window: 0, .. }));
    let at = trace.events.iter().position(closed).expect("the window was closed");
    let mut flow = Flow::new();
    trace.events[..=at].iter().filter(|event| event.flow() == 1).for_each(|event| flow.see(event));
    assert_eq!((flow.state(), flow.snd_wnd()), (State::Established, 0), "the peer's window is closed");
    assert!(theirs.starts_with("ESTAB"), "{theirs}");
    assert_eq!(
        number(&theirs, "snd_wnd:"),
        Some(flow.rcv_wnd()),
        "what we advertised is what it may send: {theirs}"
    );
    if let Some(window) = number(&theirs, "rcv_wnd:") {
        assert_eq!(window, flow.snd_wnd(), "{theirs}");
    }
}

#[test]
fn the_kernel_waits_in_time_wait_where_our_end_was_the_passive_closer() {
    if !possible("the_kernel_waits_in_time_wait_where_our_end_was_the_passive_closer", &["ss", "nc"]) {
        return;
    }
    let namespace = Namespace::new();
    let _origin = namespace.origin("127.0.0.1:8000", "answer");
    let files = Files::new();
    let proxy = namespace.proxy(&["--ladder", "--trace", &files.trace()]);
    assert_eq!(namespace.shell("echo hi | nc -N -X 5 -x 198.18.0.2:1080 127.0.0.1 8000"), "3");
    proxy.until("LAST-ACK → CLOSED [rcv ACK]");
    let theirs = namespace.shell("ss -Htan dst 198.18.0.2");
    let (summary, success) = proxy.interrupt();
    assert!(success, "{summary:#?}");
    assert!(theirs.starts_with("TIME-WAIT"), "the kernel closed first: {theirs}");
    let trace = files.read();
    let path: Vec<State> = trace
        .events
        .iter()
        .filter_map(|event| match event.view() {
            Some(View::State { to, .. }) => Some(to),
            _ => None,
        })
        .collect();
    let passive = [
        State::Listen,
        State::SynReceived,
        State::Established,
        State::CloseWait,
        State::LastAck,
        State::Closed,
    ];
    assert_eq!(path, passive);
    let (_, port) = trace.flows()[&1].remote();
    assert!(theirs.contains(&format!(":{port} ")), "the same connection: {theirs}");
    assert_eq!(sockhop_hosted::report::check(&trace, core::time::Duration::ZERO), []);
}

/// Returns the number behind a name in what `ss` says.
fn number(text: &str, name: &str) -> Option<u32> {
    let rest = &text[text.find(name)? + name.len()..];
    rest[..rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// A trace and a FIFO of a test's own.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let name = format!("sockhop-kernel-{}-{}", std::process::id(), thread.replace(['(', ')'], ""));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("there is room");
        Self(path)
    }

    fn trace(&self) -> String {
        self.0.join("x.jsonl").to_string_lossy().into_owned()
    }

    fn fifo(&self) -> String {
        self.0.join("fifo").to_string_lossy().into_owned()
    }

    fn read(&self) -> Trace {
        read(&self.0.join("x.jsonl")).expect("the proxy has written it").swap_remove(0)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
