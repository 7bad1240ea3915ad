//! Commands that lock themselves in go on doing their work, as somebody who has nothing but it.

use sockhop_tests::folder::Folder;
use sockhop_tests::netns::{Namespace, Running, possible, program};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Whom the folder belongs to.
const OWNER: (u32, u32) = (4_242, 4_243);
/// Where a receiver listens, and to which host a sender sends.
const PLACES: [(&[&str], &str); 2] = [
    (&["--listen", "127.0.0.1:7007"], "127.0.0.1"),
    (&["--on-stack", "--addr", "198.18.4.2/30"], "198.18.4.2"),
];

#[test]
fn a_locked_receiver_gives_files_to_the_folders_owner_and_replaces_and_renames_them() {
    if !possible("a_locked_receiver_gives_files_to_the_folders_owner_and_replaces_and_renames_them", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let home = Folder::new("locked-home");
    for (place, host) in PLACES {
        let inbox = owned("locked-inbox");
        let first = file(&home, "a.bin", 200_000, 1);
        let receiver = receive(&namespace, &inbox, place);
        bare(&receiver, OWNER.0);
        assert!(send(&namespace, &first, host).contains("\"outcome\":\"verified\""));
        let there = inbox.path().join("a.bin").metadata().expect("it is there");
        assert_eq!((there.uid(), there.gid(), there.mode() & 0o777), (OWNER.0, OWNER.1, 0o640));
        // The same file again is known, and another one of its name is refused.
        assert!(send(&namespace, &first, host).contains("\"sent\":0"));
        let second = file(&home, "a.bin", 200_001, 2);
        assert!(send(&namespace, &second, host).contains("\"outcome\":\"refused\""));
        drop(receiver);
        let receiver = receive(&namespace, &inbox, &[place, &["--rename"]].concat());
        assert!(send(&namespace, &second, host).contains("\"outcome\":\"verified\""));
        assert_eq!(inbox.names(), ["a (1).bin", "a.bin"]);
        drop(receiver);
        let receiver = receive(&namespace, &inbox, &[place, &["--overwrite"]].concat());
        assert!(send(&namespace, &second, host).contains("\"outcome\":\"verified\""));
        assert!(same(&inbox.path().join("a.bin"), &second) && same(&inbox.path().join("a (1).bin"), &second));
        let (_, done) = receiver.interrupt();
        assert!(done, "{host}");
    }
}

#[test]
fn a_locked_receiver_goes_on_with_a_file_that_was_cut() {
    const SIZE: usize = 100 << 20;
    if !possible("a_locked_receiver_goes_on_with_a_file_that_was_cut", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let home = Folder::new("cut-home");
    let source = file(&home, "large.bin", SIZE, 3);
    let path = source.to_string_lossy().into_owned();
    for (place, host) in PLACES {
        let inbox = owned("cut-inbox");
        let receiver = receive(&namespace, &inbox, place);
        let mut sender = namespace
            .command(&program().to_string_lossy(), &["send", &path, host])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("ip netns exec runs");
        let lines = BufReader::new(sender.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        assert!(lines.into_iter().any(|line| line.contains("10 %")), "{host}");
        sender.kill().expect("it is ours");
        sender.wait().expect("it is ours");
        receiver.until("truncated");
        let said = send(&namespace, &source, host);
        assert!(said.contains("\"outcome\":\"verified\"") && !said.contains("\"resumed\":0,"), "{said}");
        assert!(same(&inbox.path().join("large.bin"), &source), "{host}");
    }
}

#[test]
fn a_folder_of_roots_is_filled_by_a_root_without_capabilities() {
    if !possible("a_folder_of_roots_is_filled_by_a_root_without_capabilities", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let (home, inbox) = (Folder::new("roots-home"), Folder::new("roots-inbox"));
    let receiver = receive(&namespace, &inbox, PLACES[0].0);
    bare(&receiver, 0);
    assert!(send(&namespace, &file(&home, "a.bin", 200_000, 4), PLACES[0].1).contains("verified"));
    drop(receiver);
    // Whoever is named has to be able to write there.
    let folder = inbox.path().to_string_lossy().into_owned();
    let line = ["receive", &folder, "--run-as", "4242:4243", "--listen", "127.0.0.1:7007"];
    let output = namespace.output(&program().to_string_lossy(), &line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("user 4242 may not write there"), "{said}");
}

#[test]
fn a_ladder_lets_the_receiver_say_what_has_come() {
    if !possible("a_ladder_lets_the_receiver_say_what_has_come", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let (home, inbox) = (Folder::new("ladder-home"), owned("ladder-inbox"));
    let (place, host) = PLACES[1];
    let receiver = receive(&namespace, &inbox, &[place, &["--ladder", "--once"]].concat());
    assert!(send(&namespace, &file(&home, "a.bin", 200_000, 6), host).contains("verified"));
    receiver.until("verified, 200000 B");
}

#[test]
fn echo_and_ping_keep_no_file_and_still_echo() {
    if !possible("echo_and_ping_keep_no_file_and_still_echo", &[]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.hosts("127.0.0.1 echoes.example\n");
    let program = program().to_string_lossy().into_owned();
    for (place, at) in [(&[][..], "echoes.example:7008"), (&["--on-stack"], "198.18.0.2:7008")] {
        let echo = start(&namespace, &[&["echo"], place].concat());
        assert!(echo.until("locked in: user 65534").contains("no files"));
        echo.until("echoing");
        bare(&echo, 65_534);
        for by in [&[][..], &["--udp"]] {
            let line = [&["ping", "--count", "20", "--interval", "0.002"], by, &[at]].concat();
            let output = namespace.output(&program, &line);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() && said.contains("locked in: user 65534, no capabilities, no files"),
                "{said}"
            );
        }
        let (_, done) = echo.interrupt();
        assert!(done, "{at}");
    }
}

#[test]
fn a_locked_sender_sends_files_that_it_could_not_open_any_more() {
    if !possible("a_locked_sender_sends_files_that_it_could_not_open_any_more", &[]) {
        return;
    }
    let namespace = Namespace::new();
    namespace.hosts("127.0.0.1 inbox.example\n");
    let (home, trace) = (Folder::new("sent-home"), Folder::new("sent-trace"));
    let sources = ["a.bin", "b.bin", "c.bin"].map(|name| file(&home, name, 200_000, 5));
    let paths = sources.each_ref().map(|path| path.to_string_lossy().into_owned());
    let trace = trace.path().join("sent.jsonl");
    let kept = trace.to_string_lossy().into_owned();
    for (how, to) in [
        (&[][..], "inbox.example"),
        (&["--from-stack", "--addr", "198.18.8.2/30", "--ladder", "--trace", &kept], "198.18.8.1"),
    ] {
        let inbox = owned("sent-inbox");
        let _receiver = receive(&namespace, &inbox, &["--listen", "0.0.0.0:7007"]);
        let line = [&["send", "--json"], how, &[&*paths[0], &*paths[1], &*paths[2], to]].concat();
        let output = namespace.output(&program().to_string_lossy(), &line);
        let (said, held) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && held.contains("locked in: user"), "{said}{held}");
        assert_eq!(said.matches("\"outcome\":\"verified\"").count(), 3, "{said}");
        assert!(
            sources.iter().all(|source| same(&inbox.path().join(source.file_name().expect("named")), source))
        );
    }
    // One stack has sent all three.
    let traced = std::fs::read_to_string(&trace).expect("it was opened before");
    assert!(traced.lines().count() > 30, "{traced}");
}

#[test]
fn who_is_not_locked_in_is_told() {
    if !possible("who_is_not_locked_in_is_told", &[]) {
        return;
    }
    let namespace = Namespace::new();
    let echo = start(&namespace, &["echo", "--no-sandbox"]);
    assert!(echo.until("locked in").contains("NOT locked in"));
}

/// Starts the command, with both outputs as one.
fn start(namespace: &Namespace, arguments: &[&str]) -> Running {
    let line = format!("exec {} {} 2>&1", program().display(), arguments.join(" "));
    // Whoever is behind sudo in the test is not who is meant.
    namespace.start("env", &["-u", "SUDO_UID", "sh", "-c", &line])
}

fn receive(namespace: &Namespace, inbox: &Folder, place: &[&str]) -> Running {
    let folder = inbox.path().to_string_lossy().into_owned();
    let receiver = start(namespace, &[&["receive", &folder], place].concat());
    assert!(receiver.until("locked in: user").contains("its own files only"));
    receiver
}

/// Sends a file and returns the line of JSON.
fn send(namespace: &Namespace, file: &Path, host: &str) -> String {
    let path = file.to_string_lossy().into_owned();
    let output = namespace.output(&program().to_string_lossy(), &["send", "--json", &path, host]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks with the kernel that a process is this user and cannot become more.
fn bare(process: &Running, user: u32) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel has it");
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), vec![user.to_string(); 4]);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), (vec!["1".to_owned()], vec!["2".to_owned()]));
}

/// Makes a folder that belongs to somebody who is not root.
fn owned(name: &str) -> Folder {
    let folder = Folder::new(name);
    chown(folder.path(), Some(OWNER.0), Some(OWNER.1)).expect("root may do so");
    folder
}

/// Makes a file that only its owner and his group may read.
fn file(folder: &Folder, name: &str, octets: usize, seed: u64) -> PathBuf {
    let path = folder.file(name, octets, seed);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
    path
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).expect("it can be read") == std::fs::read(other).expect("it can be read")
}
