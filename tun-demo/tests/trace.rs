//! `tun-demo trace`: what it reads, what it refuses, and what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn both_ends_of_a_scenario_go_to_two_files_in_each_format_and_those_that_can_be_read_are() {
    let folder = Folder::new("formats");
    for suffix in ["trace", "jsonl", "pcapng", "txt", "sqlog", "mmd"] {
        let file = folder.at(&format!("x.{suffix}"));
        let output = run(&["lab", "loss", "--trace", &file]);
        assert!(output.status.success(), "{suffix}: {}", err(&output));
        let ends = [folder.at(&format!("x.a.{suffix}")), folder.at(&format!("x.b.{suffix}"))];
        let readable = matches!(suffix, "trace" | "jsonl" | "pcapng");
        let output = run(&["trace", "check", &ends[0], &ends[1]]);
        assert_eq!(output.status.code(), Some(if readable { 0 } else { 1 }), "{suffix}: {}", err(&output));
        assert!(readable || err(&output).contains("to be looked at"), "{suffix}: {}", err(&output));
    }
}

#[test]
fn what_is_no_trace_is_told_what_to_do() {
    let folder = Folder::new("refused");
    let trace = folder.at("x.trace");
    assert!(run(&["lab", "--trace", &trace]).status.success());
    let octets = std::fs::read(folder.at("x.a.trace")).unwrap();
    let lines = folder.at("y.jsonl");
    assert!(run(&["trace", "convert", &folder.at("x.a.trace"), "-o", &lines]).status.success());
    let mut other = octets.clone();
    other[8] = 9;
    let damaged = std::fs::read_to_string(&lines).unwrap().replacen("\"seq\":", "\"sqe\":", 1);
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "is empty"),
        ("noise", &[7; 500], "is no trace"),
        ("other version", &other, "version 9"),
        ("half a header", &octets[..40], "after 40 octets"),
        ("a wrong line", damaged.as_bytes(), "line 5"),
        ("a pcap without packets", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0], "none of them"),
    ];
    for (name, octets, said) in cases {
        let path = folder.at(name);
        std::fs::write(&path, octets).unwrap();
        let output = run(&["trace", "show", &path]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(err(&output).contains(said) && err(&output).contains(&path), "{name}: {}", err(&output));
    }
    for (path, said) in
        [("/dev/null", "a pipe or a device"), ("/tmp", "a folder"), ("/nowhere", "No such file")]
    {
        let output = run(&["trace", "check", path]);
        assert!(!output.status.success() && err(&output).contains(said), "{path}: {}", err(&output));
    }
    let huge = std::fs::File::create(folder.at("huge")).unwrap();
    huge.set_len(600 << 20).unwrap();
    let output = run(&["trace", "check", &folder.at("huge")]);
    assert!(err(&output).contains("600 MiB"), "{}", err(&output));
    let output = run(&["lab", "--trace", &folder.at("x.foo")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains(".jsonl"), "{}", err(&output));
}

#[test]
fn a_trace_that_was_cut_is_shown_as_far_as_it_goes() {
    let folder = Folder::new("cut");
    assert!(run(&["lab", "--trace", &folder.at("x.trace")]).status.success());
    let octets = std::fs::read(folder.at("x.a.trace")).unwrap();
    std::fs::write(folder.at("cut"), &octets[..64 + 32 * 9 + 5]).unwrap();
    let output = run(&["trace", "show", &folder.at("cut")]);
    assert!(output.status.success());
    assert!(err(&output).contains("5 of 32 octets"), "{}", err(&output));
    assert!(out(&output).contains("SYN,ACK 0 ack 1"), "{}", out(&output));
}

#[test]
fn a_broken_rule_is_named_with_its_section_and_the_exit_code_is_1() {
    let folder = Folder::new("broken");
    assert!(run(&["lab", "--trace", &folder.at("x.jsonl")]).status.success());
    let text = std::fs::read_to_string(folder.at("x.a.jsonl")).unwrap();
    // The client's FIN never leaves, and counts as acknowledged all the same.
    let without: Vec<&str> =
        text.lines().filter(|line| !(line.contains("segment_sent") && line.contains("FIN"))).collect();
    std::fs::write(folder.at("y.jsonl"), without.join("\n") + "\n").unwrap();
    let output = run(&["trace", "check", &folder.at("y.jsonl")]);
    assert_eq!(output.status.code(), Some(1));
    let said = out(&output);
    assert!(
        said.contains("our FIN counted as acknowledged") && said.contains("RFC 9293 §3.10.7.4"),
        "{said}"
    );
}

#[test]
fn one_end_or_one_connection_can_be_shown_and_a_wrong_number_is_named() {
    let folder = Folder::new("one");
    assert!(run(&["lab", "loss", "--trace", &folder.at("x.jsonl")]).status.success());
    let (a, b) = (folder.at("x.a.jsonl"), folder.at("x.b.jsonl"));
    let both = out(&run(&["trace", "show", &a, &b]));
    assert!(
        both.contains("✗ lost") && both.contains("A  10.0.0.1") && both.contains("B  10.0.0.2:80"),
        "{both}"
    );
    assert_eq!(
        skip_header(&both),
        skip_header(&out(&run(&["lab", "loss"]))),
        "files show what the lab itself shows"
    );
    let one = out(&run(&["trace", "show", "--flow", "1", "--whole", &a]));
    assert!(
        one.contains("peer 10.0.0.2:80") && !one.contains("✗ lost") && !one.contains(" segments "),
        "{one}"
    );
    let output = run(&["trace", "show", "--flow", "9", &a]);
    assert!(!output.status.success() && err(&output).contains("no connection 9"), "{}", err(&output));
}

/// Returns the rungs of a picture, without what stands above and below it.
fn skip_header(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains(['│', '┊'])).collect()
}

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockhop-trace-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(Path::new(name)).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tun-demo")).args(arguments).output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
