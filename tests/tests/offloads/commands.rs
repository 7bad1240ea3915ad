//! The other commands that have a stack: files, and echoes of single octets.

use crate::{MODES, Mode};
use sockhop_tests::folder::Folder;
use sockhop_tests::netns::{Namespace, possible, program};

#[test]
fn files_are_verified_to_the_stack_and_from_it_in_each_mode() {
    if !possible("files_are_verified_to_the_stack_and_from_it_in_each_mode", &[]) {
        return;
    }
    let (home, inbox) = (Folder::new("offload-home"), Folder::new("offload-inbox"));
    let source = home.path().join("pattern");
    std::fs::write(&source, (0..3 << 20).map(sockhop_hosted::egress::memory::pattern).collect::<Vec<u8>>())
        .expect("there is room");
    for mode in MODES {
        let namespace = Namespace::new();
        let flags = mode.flags().join(" ");
        for (receives, sends, at) in [
            (format!("--on-stack {flags}"), String::new(), "198.18.0.2"),
            ("--listen 0.0.0.0:7007".to_owned(), format!("--from-stack {flags}"), "198.18.0.1"),
        ] {
            let program = program().to_string_lossy().into_owned();
            let line = format!(
                "exec {program} receive {} --once --overwrite {receives} 2>&1",
                inbox.path().display()
            );
            let receiver = namespace.start("sh", &["-c", &line]);
            receiver.until("receiving into");
            let line = format!("{program} send --json {sends} {} {at} 2>&1", source.display());
            let said = namespace.shell(&line);
            assert!(said.contains("\"outcome\":\"verified\""), "{mode:?}: {line}: {said}");
            receiver.until("verified");
            let same = std::fs::read(inbox.path().join("pattern")).ok() == std::fs::read(&source).ok();
            assert!(same, "{mode:?}: {line}");
        }
    }
}

#[test]
fn echoes_come_back_on_the_stack_and_from_it_in_each_mode() {
    if !possible("echoes_come_back_on_the_stack_and_from_it_in_each_mode", &[]) {
        return;
    }
    for mode in MODES {
        let namespace = Namespace::new();
        let program = program().to_string_lossy().into_owned();
        let start = |arguments: &[&str]| {
            let running = namespace.start(&program, arguments);
            running.until("echoing");
            running
        };
        let _host = start(&["echo", "--listen", "0.0.0.0:7008"]);
        let stack = ["echo", "--on-stack", "--addr", "198.18.4.2/30"];
        let _stack = start(&[&stack[..], &mode.flags()].concat());
        for udp in [&[][..], &["--udp"]] {
            ping(&namespace, mode, &[udp, &["198.18.4.2:7008"]].concat());
            ping(
                &namespace,
                mode,
                &[udp, &["--from-stack"], &mode.flags()[..], &["198.18.0.1:7008"]].concat(),
            );
        }
    }
}

fn ping(namespace: &Namespace, mode: Mode, arguments: &[&str]) {
    let fixed = ["ping", "--quiet", "--count", "20", "--interval", "0.002"];
    let output = namespace.output(&program().to_string_lossy(), &[&fixed, arguments].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("20 sent, 20 answered, 0.0 % lost"),
        "{mode:?}, {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
