//! The load generator of `tests/bench` says what happened, and no more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

#[test]
fn octets_count_once_their_target_has_heard_them() {
    let origin = Origin::start();
    for way in ["up", "down"] {
        let said = said(&load(&[way, "direct", &origin.at, "2", "100"]));
        assert!(number(&said, "octets") > 0.0, "{said}");
        assert!(number(&said, "octets_per_second") > 0.0, "{said}");
        assert!((0.5..=1.0).contains(&number(&said, "jain")), "{said}");
    }
}

#[test]
fn an_upload_that_is_swallowed_in_part_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("it is bound").to_string();
    let target = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut room = vec![0; 1 << 16];
        while let Ok(count @ 1..) = stream.read(&mut room) {
            if room[..count].contains(&1) {
                // As if one octet had come: fewer than were sent.
                stream.write_all(&1_u64.to_be_bytes()).expect("the client hears it");
            }
        }
    });
    let output = load(&["up", "direct", &at, "1", "50"]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("octets were sent, and 0 heard"), "{error}");
    target.join().expect("the target ends with its client");
}

#[test]
fn a_pattern_that_comes_back_changed_is_counted() {
    let origin = Origin::start();
    let whole = said(&load(&["verify", "direct", &origin.at, "2", "300000"]));
    assert_eq!((number(&whole, "octets"), number(&whole, "wrong")), (600_000.0, 0.0), "{whole}");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("it is bound").to_string();
    let target = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("all of it");
        // The first octet says what is to be done; the others come back, but for the last, and one is changed.
        heard[100] ^= 1;
        stream.write_all(&heard[1..heard.len() - 1]).expect("the client hears it");
    });
    let changed = said(&load(&["verify", "direct", &at, "1", "3000"]));
    assert_eq!(number(&changed, "wrong"), 2.0, "{changed}");
    target.join().expect("the target ends");
}

#[test]
fn connections_and_round_trips_are_counted_each() {
    let origin = Origin::start();
    let rate = said(&load(&["rate", "direct", &origin.at, "2", "20"]));
    assert_eq!(number(&rate, "failed"), 0.0, "{rate}");
    assert!(number(&rate, "first_octet_us") >= number(&rate, "handshake_us"), "{rate}");
    let ping = said(&load(&["ping", "direct", &origin.at, "2", "20"]));
    assert!(number(&ping, "p99_us") >= number(&ping, "median_us"), "{ping}");
    let nobody = said(&load(&["rate", "direct", "127.0.0.1:1", "2", "3"]));
    assert_eq!(number(&nobody, "failed"), 6.0, "{nobody}");
}

#[test]
fn idle_connections_still_answer_when_they_are_let_go() {
    let origin = Origin::start();
    let both = said(&load(&["idle", "direct", &origin.at, "40", "4"]));
    assert_eq!((number(&both, "opened"), number(&both, "alive")), (40.0, 40.0), "{both}");
}

/// A target, ended when it is dropped.
struct Origin {
    child: Child,
    at: String,
}

impl Origin {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
        let mut child =
            command.args(["origin", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
        let at = line.trim().strip_prefix("ready ").expect("it says where").to_owned();
        Self { child, at }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the number of this name in lines of JSON.
fn number(lines: &str, name: &str) -> f64 {
    let (_, rest) = lines.split_once(&format!("\"{name}\":")).expect("it is there");
    let end = rest.find([',', '}']).expect("an object ends");
    rest[..end].parse().expect("a number")
}
