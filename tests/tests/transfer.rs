//! The commands `send` and `receive` as processes on loopback: killed, resumed, hostile and classic.

use sha2::{Digest, Sha256};
use sockhop_tests::folder::Folder;
use sockhop_tests::netns::{self, Namespace, possible};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A process whose lines, of both outputs, are read as they come.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (said, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for output in outputs {
            let said = said.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines();
                lines.map_while(Result::ok).try_for_each(|line| said.send(line))
            });
        }
        Self { child, lines }
    }

    /// Starts a receiver at a port of the host's choice and returns the port.
    fn receive(folder: &Folder, more: &[&str]) -> (Self, String) {
        let path = folder.path().to_string_lossy().into_owned();
        let fixed = ["receive", &path, "--listen", "127.0.0.1:0"];
        let process = Self::start(&netns::program(), &[&fixed, more].concat());
        let line = process.until("receiving into");
        let port = line.rsplit_once(':').expect("it names its port").1.to_owned();
        (process, port)
    }

    fn send(file: &Path, port: &str, more: &[&str]) -> Self {
        let (file, place) = (file.to_string_lossy().into_owned(), format!("127.0.0.1:{port}"));
        Self::start(&netns::program(), &[&["send", &file, &place], more].concat())
    }

    /// Reads lines up to one that has this in it.
    fn until(&self, part: &str) -> String {
        let mut before = Vec::new();
        for line in &self.lines {
            if line.contains(part) {
                return line;
            }
            before.push(line);
        }
        panic!("no line with {part:?}, but {before:#?}");
    }

    /// Ends it as a loss of power would.
    fn kill(mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it has ended");
    }

    /// Waits for its end, and returns what it still said.
    fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let lines = self.lines.iter().collect();
        (self.child.wait().expect("it ends"), lines)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sum(path: &Path) -> Vec<u8> {
    Sha256::digest(std::fs::read(path).expect("it can be read")).to_vec()
}

fn number(json: &str, field: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{field}\":")).expect("the field is there");
    rest.split([',', '}']).next().and_then(|text| text.parse().ok()).expect("a number")
}

#[test]
fn killed_at_each_stage_a_transfer_goes_on_where_it_was_cut() {
    const SIZE: usize = 200 << 20;
    let (home, inbox) = (Folder::new("killed-home"), Folder::new("killed-inbox"));
    let source = home.file("large.bin", SIZE, 1);
    let held = || {
        inbox
            .names()
            .first()
            .map_or(0, |name| inbox.path().join(name).metadata().map_or(0, |meta| meta.len()))
    };
    for (stage, kills_receiver) in
        [("10 %", true), ("30 %", false), ("60 %", true), ("90 %", false), ("100 %", true)]
    {
        let before = held();
        let (receiver, port) = Process::receive(&inbox, &[]);
        let sender = Process::send(&source, &port, &[]);
        if kills_receiver {
            receiver.until(stage);
            receiver.kill();
            let (status, _) = sender.wait();
            assert!(stage == "100 %" || status.code() == Some(8), "{stage}: {status}");
        } else {
            sender.until(stage);
            sender.kill();
            receiver.until("truncated");
        }
        assert!(held() >= before && inbox.names().len() == 1, "{stage}: {:?}", inbox.names());
    }
    let before = held();
    let (receiver, port) = Process::receive(&inbox, &["--once"]);
    let (status, said) = Process::send(&source, &port, &["--json"]).wait();
    let line = said.iter().find(|line| line.starts_with('{')).expect("a line of JSON");
    assert!(status.success() && receiver.wait().0.success(), "{said:?}");
    assert_eq!((number(line, "resumed"), number(line, "sent")), (before, SIZE as u64 - before), "{line}");
    assert_eq!(inbox.names(), ["large.bin"]);
    assert_eq!(sum(&inbox.path().join("large.bin")), sum(&source));
    // A sender that missed the last word asks again, and learns that all is there.
    let (_receiver, port) = Process::receive(&inbox, &[]);
    let (status, said) = Process::send(&source, &port, &["--json"]).wait();
    assert!(status.success() && said.iter().any(|line| line.contains("\"sent\":0")), "{said:?}");
}

#[test]
fn classic_peers_of_any_read_size_are_served_in_both_roles() {
    if !possible("classic_peers_of_any_read_size_are_served_in_both_roles", &["python3"]) {
        return;
    }
    let (home, inbox) = (Folder::new("classic-home"), Folder::new("classic-inbox"));
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let (python, at) = (Path::new("python3"), |name: &str| peers.join(name).to_string_lossy().into_owned());
    for size in ["1", "4096", "0"] {
        let source = home.file(&format!("to-us-{size}.bin"), 20_000, 1);
        let path = source.to_string_lossy().into_owned();
        let (receiver, port) = Process::receive(&inbox, &["--once"]);
        let theirs = Process::start(python, &[&at("classic_send.py"), "127.0.0.1", &port, &path, size]);
        let ((status, said), (ours, _)) = (theirs.wait(), receiver.wait());
        assert!(status.success(), "{said:?}");
        assert_eq!(ours.code(), Some(7), "unverified");
        assert_eq!(sum(&inbox.path().join(format!("to-us-{size}.bin"))), sum(&source), "{size}");

        let source = home.file(&format!("from-us-{size}.bin"), 20_000, 1);
        let folder = inbox.path().to_string_lossy().into_owned();
        let theirs = Process::start(python, &[&at("classic_receive.py"), &folder, size]);
        let port = theirs.until("");
        let (status, said) = Process::send(&source, &port, &["--classic"]).wait();
        assert_eq!(status.code(), Some(7), "{said:?}");
        theirs.until("received");
        assert_eq!(sum(&inbox.path().join(format!("from-us-{size}.bin"))), sum(&source), "{size}");
    }
}

#[test]
fn a_classic_receiver_is_recognised_and_the_flag_is_named() {
    if !possible("a_classic_receiver_is_recognised_and_the_flag_is_named", &["python3"]) {
        return;
    }
    let (home, inbox) = (Folder::new("recognised-home"), Folder::new("recognised-inbox"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/classic_receive.py");
    let arguments = [script.to_string_lossy().into_owned(), inbox.path().to_string_lossy().into_owned()];
    let theirs = Process::start(Path::new("python3"), &[&arguments[0], &arguments[1], "4096"]);
    let port = theirs.until("");
    let (status, said) = Process::send(&home.file("a.bin", 10, 1), &port, &[]).wait();
    assert_eq!(status.code(), Some(9));
    assert!(said.iter().any(|line| line.contains("--classic")), "{said:?}");
}

#[test]
fn hostile_names_are_refused_with_their_reason_and_nothing_appears() {
    let inbox = Folder::new("hostile-inbox");
    let (_receiver, port) = Process::receive(&inbox, &[]);
    let names: [&[u8]; 15] = [
        b"..",
        b".",
        b"../up",
        b"/etc/passwd",
        b"a/b",
        b"a\\b",
        b"a\0b",
        b"a\nb",
        b".bashrc",
        b"-rf",
        b"c:x",
        b"NUL",
        b"com1.txt",
        b"dot.",
        b"\xff\xfe",
    ];
    for name in names {
        let mut peer = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
        let head =
            [b"\0HOP\x01\x03".as_slice(), &[name.len() as u8], name, &4_u64.to_be_bytes(), &[0; 10]].concat();
        peer.write_all(&head).expect("it reads");
        peer.shutdown(Shutdown::Write).expect("it is there");
        let mut said = Vec::new();
        peer.read_to_end(&mut said).expect("it ends in order");
        assert_eq!(said.get(..3), Some(&b"no\x03"[..]), "{}", name.escape_ascii());
    }
    assert!(inbox.names().is_empty(), "{:?}", inbox.names());
}

#[test]
fn many_senders_are_served_at_once_and_each_file_is_its_own() {
    let (home, inbox) = (Folder::new("many-home"), Folder::new("many-inbox"));
    let (_receiver, port) = Process::receive(&inbox, &[]);
    let files: Vec<_> =
        (0..8).map(|number| home.file(&format!("{number}.bin"), 300_000 + number, 1)).collect();
    let senders: Vec<_> = files.iter().map(|file| Process::send(file, &port, &[])).collect();
    for sender in senders {
        assert!(sender.wait().0.success());
    }
    for file in &files {
        assert_eq!(sum(&inbox.path().join(file.file_name().expect("it has a name"))), sum(file));
    }
}

#[test]
fn a_taken_name_is_refused_overwritten_or_numbered_as_asked() {
    let (home, inbox) = (Folder::new("taken-home"), Folder::new("taken-inbox"));
    let taken = inbox.path().join("a.bin");
    std::fs::write(&taken, "first").expect("there is room");
    let source = home.file("a.bin", 5_000, 1);
    for (flag, code, names) in [
        (None, 9, &["a.bin"][..]),
        (Some("--rename"), 0, &["a (1).bin", "a.bin"]),
        (Some("--overwrite"), 0, &["a (1).bin", "a.bin"]),
    ] {
        let (receiver, port) = Process::receive(&inbox, &[&["--once"][..], flag.as_slice()].concat());
        let (status, said) = Process::send(&source, &port, &[]).wait();
        drop(receiver.wait());
        assert_eq!(status.code(), Some(code), "{flag:?}: {said:?}");
        assert_eq!(inbox.names(), names, "{flag:?}");
        let first = std::fs::read(&taken).expect("it is there") == b"first";
        assert_eq!(first, flag != Some("--overwrite"), "{flag:?}");
    }
}

#[test]
fn a_file_above_the_cap_is_refused_before_it_is_sent() {
    let (home, inbox) = (Folder::new("cap-home"), Folder::new("cap-inbox"));
    let (_receiver, port) = Process::receive(&inbox, &["--max-size", "1k"]);
    let (status, said) = Process::send(&home.file("a.bin", 1_025, 1), &port, &[]).wait();
    assert_eq!(status.code(), Some(9));
    assert!(said.iter().any(|line| line.contains("too large")), "{said:?}");
    assert!(inbox.names().is_empty());
}

#[test]
fn files_pass_the_stack_in_both_roles_and_the_proxy() {
    if !possible("files_pass_the_stack_in_both_roles_and_the_proxy", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let program = netns::program().to_string_lossy().into_owned();
    let (home, inbox) = (Folder::new("stack-home"), Folder::new("stack-inbox"));
    let inbox_path = inbox.path().to_string_lossy().into_owned();
    let _proxy = namespace.proxy(&[]);
    let ways: [(&str, &[&str], &[&str], &str); 4] = [
        ("to-stack", &["--on-stack", "--addr", "198.18.4.2/30"], &[], "198.18.4.2"),
        (
            "from-stack",
            &["--listen", "0.0.0.0:7007"],
            &["--from-stack", "--addr", "198.18.8.2/30"],
            "198.18.8.1",
        ),
        ("via", &["--listen", "127.0.0.1:7007"], &["--via", "socks5://198.18.0.2:1080"], "127.0.0.1"),
        (
            "via-to-stack",
            &["--on-stack", "--addr", "198.18.4.2/30"],
            &["--via", "socks5://198.18.0.2:1080"],
            "198.18.4.2",
        ),
    ];
    for (name, receives, sends, at) in ways {
        let source = home.file(name, 5 << 20, 1);
        let line = [&["receive", &inbox_path, "--once", "--json"], receives].concat();
        let line = format!("{program} {} 2>&1", line.join(" "));
        let receiver = namespace.start("sh", &["-c", &line]);
        receiver.until("receiving into");
        let path = source.to_string_lossy().into_owned();
        let output = namespace.output(&program, &[&["send", "--json"], sends, &[&path, at]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("\"outcome\":\"verified\""),
            "{name}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(sends.first() != Some(&"--from-stack") || said.contains("\"retransmitted\":0"), "{said}");
        receiver.until("\"outcome\":\"verified\"");
        assert_eq!(sum(&inbox.path().join(name)), sum(&source), "{name}");
    }
    drop(namespace);
}
