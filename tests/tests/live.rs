//! A running proxy that is asked what it does: by netstat, by a screen, and by those who mean no good.

use sockhop_hosted::control::{Answer, Inquirer};
use sockhop_tests::netns::{Namespace, Running, neighbour, possible};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

const V4: &str = "198.18.0.2:1080";

/// A namespace with a proxy in it, and a folder for the proxy's socket.
struct Place {
    namespace: Namespace,
    proxy: Option<Running>,
    folder: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        Self::with(name, &[])
    }

    fn with(name: &str, flags: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("sockhop-live-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("there is room");
        let namespace = Namespace::new();
        let proxy = namespace.proxy(&[&["--control", &*folder.to_string_lossy()], flags].concat());
        Self { namespace, proxy: Some(proxy), folder }
    }

    /// The same at a socket of the host's.
    fn listening(name: &str) -> Self {
        let mut place = Self::new(name);
        place.proxy = None;
        let program = neighbour("tun-demo").to_string_lossy().into_owned();
        let folder = place.folder.to_string_lossy().into_owned();
        let line = ["socks5", "--listen", "127.0.0.1:1080", "--allow", "loopback", "--control", &folder];
        let proxy = place.namespace.start(&program, &line);
        proxy.until("Ctrl-C");
        place.proxy = Some(proxy);
        place
    }

    /// Returns the command line that asks this proxy.
    fn ask(&self, command: &str) -> String {
        format!("'{}' {command} --control '{}'", neighbour("tun-demo").display(), self.folder.display())
    }

    /// Waits for a row with this in it and returns it in words.
    fn row(&self, pattern: &str) -> Vec<String> {
        let watch = self.ask("netstat --watch 0.1");
        let row = self.namespace.shell(&format!("timeout 30 {watch} | grep -m 1 -E '{pattern}'"));
        assert!(!row.is_empty(), "no row with {pattern:?} in {}", self.namespace.shell(&self.ask("netstat")));
        row.split_whitespace().map(str::to_owned).collect()
    }

    /// Returns the state that the kernel has for the other end of a row, or nothing.
    fn kernel(&self, row: &[String]) -> String {
        let line = format!("ss -tanH 'src {}' | head -n 1", row[4]);
        self.namespace.shell(&line).split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Connects to the proxy's socket.
    fn knock(&self) -> UnixStream {
        let mut entries = std::fs::read_dir(&self.folder).expect("the folder is there");
        let path = entries.next().expect("the socket is there").expect("it can be read").path();
        UnixStream::connect(path).expect("the proxy listens")
    }

    /// Starts a client that goes on until it is dropped.
    fn client(&self, line: &str) -> Running {
        self.namespace.start("sh", &["-c", line])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.proxy = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Reads one line.
fn line(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("there is one");
    line
}

#[test]
fn netstat_shows_each_state_as_the_kernel_at_the_other_end_has_it() {
    let name = "netstat_shows_each_state_as_the_kernel_at_the_other_end_has_it";
    if !possible(name, &["curl", "nc", "ss", "timeout", "mkfifo"]) {
        return;
    }
    let place = Place::new("states");
    let _echo = place.namespace.origin("127.0.0.1:8000", "echo");
    let _hold = place.namespace.origin("127.0.0.1:8001", "hold");
    let _line = place.namespace.origin("127.0.0.1:8002", "line");
    let listens = place.row("LISTEN");
    assert_eq!((listens[3].as_str(), listens[4].as_str()), (V4, "*:*"));
    let [one, two] = ["one", "two"].map(|name| place.folder.with_extension(name));
    place.namespace.shell(&format!("mkfifo '{}' '{}'", one.display(), two.display()));
    let nc = format!("exec nc -X 5 -x {V4} 127.0.0.1");
    // What holds a FIFO open for writing hears no end of it.
    let _open = place.client(&format!("exec 3<>'{}'; {nc} 8000 <&3", one.display()));
    let _half = place.client(&format!("exec nc -N -X 5 -x {V4} 127.0.0.1 8001 </dev/null >/dev/null"));
    let _ended = place.client(&format!("exec 3<>'{}'; echo hi >&3; {nc} 8002 <&3", two.display()));
    let refused = format!("curl -s --socks5 {V4} http://127.0.0.1:9/");
    place.namespace.shell(&refused);
    for (pattern, ours, theirs) in [
        ("1080 .*relay 127.0.0.1:8000$", "ESTABLISHED", "ESTAB"),
        ("1080 .*CLOSE-WAIT.*8001, whose client has ended", "CLOSE-WAIT", "FIN-WAIT-2"),
        ("1080 .*FIN-WAIT-2.*8002, which has ended", "FIN-WAIT-2", "CLOSE-WAIT"),
        ("1080 .*TIME-WAIT .*2MSL .*closed by us", "TIME-WAIT", ""),
    ] {
        let row = place.row(pattern);
        assert_eq!((row[0].as_str(), row[3].as_str(), row[5].as_str()), ("tcp", V4, ours), "{row:?}");
        assert_eq!(place.kernel(&row), theirs, "{row:?}");
    }
    for fifo in [one, two] {
        let _ = std::fs::remove_file(fifo);
    }
}

#[test]
fn a_window_that_closes_is_shown_with_its_probe_and_the_queue_that_waits() {
    let name = "a_window_that_closes_is_shown_with_its_probe_and_the_queue_that_waits";
    if !possible(name, &["ss", "timeout", "mkfifo"]) {
        return;
    }
    let place = Place::new("window");
    let _hold = place.namespace.origin("127.0.0.1:8000", "hold");
    let fifo = place.folder.with_extension("fifo");
    let fifo = fifo.to_string_lossy();
    place.namespace.shell(&format!("mkfifo '{fifo}'"));
    let _slow = place.namespace.asker(&["rest", &fifo]);
    let row = place.row("probe .*blocked");
    let queued: u64 = row[2].parse().expect("Send-Q is a number");
    assert!(queued > 0 && row.contains(&"probe".to_owned()), "{row:?}");
    let unread = place.namespace.shell(&format!("ss -tanH 'src {}' | awk '{{print $2}}'", row[4]));
    assert!(
        unread.parse::<u64>().is_ok_and(|unread| unread > 0),
        "the kernel has {unread:?} that nobody reads"
    );
    let json = place.namespace.shell(&place.ask("netstat --json"));
    assert!(json.contains("\"window\":0") && json.contains("\"closed_us\":"), "{json}");
    let _ = std::fs::remove_file(&*fifo);
}

#[test]
fn a_proxy_at_a_socket_of_the_host_shows_what_the_kernel_tells() {
    let name = "a_proxy_at_a_socket_of_the_host_shows_what_the_kernel_tells";
    if !possible(name, &["nc", "ss", "timeout", "mkfifo"]) {
        return;
    }
    let place = Place::listening("host");
    let _hold = place.namespace.origin("127.0.0.1:8001", "hold");
    let _half = place.client("exec nc -N -X 5 -x 127.0.0.1:1080 127.0.0.1 8001 </dev/null >/dev/null");
    let row = place.row("1080 .*CLOSE-WAIT.*relay 127.0.0.1:8001");
    assert_eq!(place.kernel(&row), "FIN-WAIT-2", "{row:?}");
    let mut stream = place.knock();
    stream.write_all(b"{\"ask\":\"follow\"}\n").expect("it is heard");
    assert!(line(&stream).contains("kernel's"), "what cannot be followed is said to be so");
}

#[test]
fn who_follows_and_does_not_read_slows_nobody_and_is_told_what_he_lost() {
    let name = "who_follows_and_does_not_read_slows_nobody_and_is_told_what_he_lost";
    if !possible(name, &["curl", "timeout"]) {
        return;
    }
    // Small packets make many more events than may wait for him.
    let place = Place::with("deaf", &["--mtu", "1500", "--no-offload"]);
    let _flood = place.namespace.origin("127.0.0.1:8000", "flood");
    let mut deaf = place.knock();
    deaf.write_all(&b"{\"ask\":\"follow\"}\n{\"ask\":\"snapshot\"}\n".repeat(20)).expect("it is heard");
    let mut other = Inquirer::new(place.knock());
    assert!(other.snapshot().is_ok_and(|snapshot| snapshot.node.follows));
    let curl = format!("curl -s --max-time 60 --http0.9 --socks5 {V4} 127.0.0.1:8000");
    for _ in 0..3 {
        assert_eq!(place.namespace.shell(&format!("{curl} | wc -c")), "67108864");
    }
    let snapshot = other.snapshot().expect("the others are answered");
    assert_eq!(snapshot.octets.1, 3 * 67_108_864);
    let mut deaf = Inquirer::new(deaf);
    let mut lost = 0;
    // What was written before he stopped reading comes first, then what was lost behind it.
    while lost == 0 {
        match deaf.answer(true).expect("he is told in the end") {
            Answer::Events(events) => lost = events.lost,
            Answer::Snapshot(_) => {}
            Answer::Error(text) => panic!("{text}"),
        }
    }
}

#[test]
fn garbage_is_answered_by_a_line_and_a_fifth_client_by_another() {
    if !possible("garbage_is_answered_by_a_line_and_a_fifth_client_by_another", &[]) {
        return;
    }
    let place = Place::new("garbage");
    let mut stream = place.knock();
    for garbage in [&b"\n"[..], b"{}\n", b"\x00\xff\xfe\n", b"{\"ask\":\"stop\"}\n", b"GET / HTTP/1.1\n"] {
        stream.write_all(garbage).expect("it is heard");
        let said = line(&stream);
        assert!(said.starts_with("{\"error\":") && said.contains("is no request"), "{said}");
    }
    stream.write_all(&[b'x'; 3_000]).expect("it is heard");
    assert!(line(&stream).contains("at most 1024 octets"));
    assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)), "he is let go");
    // Who is in the middle of a request takes a place as well.
    let four: Vec<Inquirer> = (0..4).map(|_| Inquirer::new(place.knock())).collect();
    let four: Vec<Inquirer> =
        four.into_iter().map(|mut one| one.snapshot().map(|_| one).expect("there is a place")).collect();
    let told = Inquirer::new(place.knock()).snapshot().expect_err("there is none").to_string();
    assert!(told.contains("4 others are asking"), "{told}");
    drop(four);
    let row = place.row("LISTEN");
    assert_eq!(row[3], V4, "there is a place again");
}

#[test]
fn another_user_is_told_whose_it_is_and_the_caller_of_sudo_may_ask() {
    let name = "another_user_is_told_whose_it_is_and_the_caller_of_sudo_may_ask";
    if !possible(name, &["setpriv"]) {
        return;
    }
    let mut place = Place::new("permission");
    // Nobody may not be let through to where programs are built.
    let program = place.folder.with_extension("program");
    std::fs::copy(neighbour("tun-demo"), &program).expect("there is room");
    let nobody = format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups '{}' netstat --control '{}' 2>&1; echo code $?",
        program.display(),
        place.folder.display()
    );
    let told = place.namespace.shell(&nobody);
    assert!(told.contains("is root's") && told.contains("sudo") && told.ends_with("code 3"), "{told}");
    // Killed, a locked proxy has its socket removed by the one who keeps that privilege.
    place.proxy = None;
    let left = format!(
        "for i in $(seq 1000); do [ -z \"$(ls '{0}')\" ] && break; done; ls '{0}'; echo none",
        place.folder.display()
    );
    assert_eq!(place.namespace.shell(&left), "none");
    // One that is not locked in leaves it behind.
    let line = format!(
        "exec '{}' socks5 --no-sandbox --addr6 none --control '{}'",
        program.display(),
        place.folder.display()
    );
    place.client(&line).until("Ctrl-C");
    let told = place.namespace.shell(&format!("{} 2>&1; echo code $?", place.ask("netstat")));
    assert!(told.contains("its process is gone") && told.ends_with("code 10"), "{told}");
    let line = format!(
        "SUDO_UID=65534 exec '{}' socks5 --addr6 none --control '{}'",
        program.display(),
        place.folder.display()
    );
    let proxy = place.client(&line);
    proxy.until("Ctrl-C");
    place.proxy = Some(proxy);
    let told = place.namespace.shell(&nobody);
    assert!(told.contains("LISTEN") && told.ends_with("code 0"), "{told}");
    assert_eq!(std::fs::read_dir(&place.folder).map(Iterator::count).ok(), Some(1), "the old one is swept");
    if let Some(proxy) = place.proxy.take() {
        proxy.interrupt();
    }
    assert_eq!(
        std::fs::read_dir(&place.folder).map(Iterator::count).ok(),
        Some(0),
        "and the new one removed"
    );
    let told = place.namespace.shell(&format!("{} 2>&1; echo code $?", place.ask("netstat")));
    assert!(told.contains("no proxy runs") && told.ends_with("code 10"), "{told}");
    let _ = std::fs::remove_file(program);
}

#[test]
fn a_screen_gives_the_terminal_back_whichever_way_it_ends() {
    let name = "a_screen_gives_the_terminal_back_whichever_way_it_ends";
    if !possible(name, &["mkfifo", "script", "timeout"]) {
        return;
    }
    let mut place = Place::new("screen");
    let size = "stty cols 100 rows 30;";
    let top = place.ask("top");
    let inside = format!(
        "'{}' socks5 --top --tun sockhop1 --addr 198.18.8.2/30 --addr6 none",
        neighbour("tun-demo").display()
    );
    for (what, line) in [
        ("a key", format!("printf q | script -qec \"{size} {top}\" /dev/null")),
        (
            "SIGTERM",
            format!("script -qec \"{size} timeout --foreground -s TERM 1 {top}\" /dev/null </dev/null"),
        ),
        (
            "a key within",
            format!(
                "printf q | script -qec \"{size} timeout --foreground 20 {inside} --control none\" /dev/null"
            ),
        ),
    ] {
        let drawn = place.namespace.shell(&line);
        let (begin, end) = (drawn.find("\x1b[?1049h"), drawn.rfind("\x1b[?1049l"));
        assert!(begin.is_some() && end > begin, "{what}: {drawn}");
        assert!(drawn.contains("sliding window") && drawn.contains("RFC"), "{what}: {drawn}");
        assert!(drawn.rfind("\x1b[?25h") > begin, "{what}: the cursor is shown again");
    }
    let fifo = place.folder.with_extension("keys");
    place.namespace.shell(&format!("mkfifo '{}'", fifo.display()));
    // Nobody presses a key, and nobody hangs up.
    let drawn = place.folder.with_extension("drawn");
    let line = format!("script -qfec \"{size} {top}\" '{}'", drawn.display());
    let screen = place.client(&format!("exec 3<>'{}'; exec {line} <&3", fifo.display()));
    let seen = format!("until grep -q 'sliding window' '{}'; do :; done", drawn.display());
    place.namespace.shell(&format!("timeout 30 sh -c \"{seen}\""));
    if let Some(proxy) = place.proxy.take() {
        proxy.interrupt();
    }
    screen.until("the proxy has ended");
    for file in [fifo, drawn] {
        let _ = std::fs::remove_file(file);
    }
    let piped = place.namespace.shell(&format!("{} 2>&1; echo code $?", place.ask("top")));
    assert!(piped.contains("needs a terminal") && piped.ends_with("code 2"), "{piped}");
}
