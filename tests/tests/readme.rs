//! Every command in the documents is run and says what is shown there; what cannot be run here is named, with its reason.

use sockhop_tests::documents::{DOCUMENTS, Part, Typed, parts, path, read, typed};
use sockhop_tests::netns::{Namespace, Running, possible, program};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::channel;

/// What goes on until it is ended, and a part of the line that tells that it can be used. It ends when the next one
/// starts, or with its document.
const SERVICES: [(&str, &str); 4] = [
    ("sudo tun-demo socks5 --ladder", "Ctrl-C"),
    ("cargo run --release -- socks5 --listen 127.0.0.1:1080", "Ctrl-C"),
    ("tun-demo socks5 --listen 127.0.0.1:1080", "Ctrl-C"),
    ("mkdir -p incoming && sudo tun-demo receive incoming --on-stack", "receiving into"),
];

/// What ends with another exit code than 0, and why.
const FAILING: [(&str, i32, &str); 1] = [(
    "target/release/tun-demo sim --profile hostile --seed 1 --guard none --shrink",
    1,
    "it shows a connection that fails",
)];

/// What is not run here, and why. Commands that build, and scripts of the repository, need not be named when `.ci/run`
/// calls them.
const NOT_RUN: [(&str, &str); 19] = [
    (
        "cargo build --release && sudo target/release/tun-demo socks5",
        ".ci/run builds, and socks5 --ladder is run",
    ),
    ("bash .ci/run", "it runs this test"),
    ("cargo test -p sockhop-tests --test statements -- --nocapture", "part of `cargo test --workspace`"),
    ("cargo +nightly fuzz run socks5_parse", "it has no end; .ci/run gives each target some seconds"),
    ("cargo bench -p sockhop-tests --bench machines", "it measures; nothing can be wrong with what it finds"),
    ("cargo bench -p sockhop-tests --bench engine", "it measures"),
    ("cargo bench -p sockhop-tests --bench guard", "it measures"),
    ("cargo bench -p sockhop-tests --bench trace", "it measures"),
    ("tests/bench/report", "it measures"),
    ("tests/bench/transfer", "it measures"),
    ("sudo tests/bench/peers --with-crates", "it measures, for half an hour"),
    ("sudo tests/bench/peers --quick", "it measures"),
    ("sudo tests/bench/peers --only ours direct", "it measures"),
    ("apt-get install microsocks dante-server passt slirp4netns iperf3", "it changes the system"),
    ("tests/soak volume", "it carries 50 GB; .ci/run soaks for a minute"),
    ("tests/bench/seeds 1000000", "it takes an hour; .ci/run plays thousands of fresh seeds"),
    ("systemctl enable --now sockhop", "it needs systemd; tests/package starts the unit's own line"),
    ("systemctl enable --now sockhop-listen.socket", "it needs systemd; `--test service` hands sockets over"),
    (
        "apt-get install qemu-system-arm qemu-system-misc curl binutils-arm-none-eabi",
        "it changes the system; .ci/run does so",
    ),
];

/// What shows the output of another run, and why.
const SHOWN_ELSEWHERE: [(&str, &str); 1] =
    [("tun-demo netstat | grep 1080", "it shows connections in four states, not those that are there here")];

#[test]
fn every_command_in_the_documents_runs_and_says_what_is_shown() {
    let name = "every_command_in_the_documents_runs_and_says_what_is_shown";
    if !possible(name, &["bash", "curl", "nc", "openssl", "timeout"]) {
        return;
    }
    // The translation has the same commands, as another test holds.
    for document in DOCUMENTS.into_iter().filter(|document| *document != "README.zh-CN.md") {
        let commands: Vec<Typed> = typed(&read(document)).into_iter().filter(is_run).collect();
        if commands.is_empty() {
            continue;
        }
        let mut place = Place::new();
        for command in commands {
            place.follow(document, &command);
        }
        place.rest();
    }
}

#[test]
fn what_is_built_with_is_what_ci_builds_with() {
    let ci = read(".ci/run");
    let called: Vec<Vec<&str>> = ci.lines().map(|line| line.split_whitespace().collect()).collect();
    for (document, command) in all().filter(|(_, typed)| is_building(&typed.command)) {
        let command = command.command;
        if is_named(&command) {
            continue;
        }
        let in_order = |line: &Vec<&str>| {
            let mut words = line.iter();
            command.split_whitespace().all(|word| words.any(|other| *other == word))
        };
        assert!(
            called.iter().any(in_order),
            "{document}: .ci/run does not call {command:?}, and it is not named in NOT_RUN"
        );
    }
}

#[test]
fn scripts_that_documents_name_are_there_and_can_be_run() {
    for (document, command) in all() {
        let first = command.command.split(' ').next().unwrap_or_default().to_owned();
        if is_script(&first) {
            let found =
                fs::metadata(path(&first)).unwrap_or_else(|error| panic!("{document}: {first}: {error}"));
            assert_eq!(found.permissions().mode() & 0o111, 0o111, "{document}: {first}");
        }
    }
}

#[test]
fn no_list_here_names_what_no_document_has() {
    let commands: Vec<String> = all().map(|(_, typed)| typed.command).collect();
    let named = NOT_RUN.map(|(command, _)| command).into_iter();
    let named = named.chain(SERVICES.map(|(command, _)| command));
    let named =
        named.chain(FAILING.map(|(command, ..)| command)).chain(SHOWN_ELSEWHERE.map(|(command, _)| command));
    for name in named {
        assert!(commands.iter().any(|command| command == name), "{name:?}");
    }
}

#[test]
fn the_chinese_readme_is_built_like_the_english_one() {
    let (english, chinese) = (parts(&read("README.md")), parts(&read("README.zh-CN.md")));
    for (number, (here, there)) in english.iter().zip(&chinese).enumerate() {
        match (here, there) {
            // Each leads to the other.
            (Part::Link(here), Part::Link(there)) if number == 1 => {
                assert_eq!((here.as_str(), there.as_str()), ("README.zh-CN.md", "README.md"));
            }
            // Comments are translated; they are gone from what is typed.
            (Part::Block(here, _), Part::Block(there, _)) => assert_eq!(here, there),
            (here, there) => assert_eq!(here, there, "part {number}"),
        }
    }
    assert_eq!(english.len(), chinese.len());
    assert_eq!(typed(&read("README.md")), typed(&read("README.zh-CN.md")));
    let pictures = |parts: &[Part]| {
        let drawn =
            |part: &Part| matches!(part, Part::Block(info, _) if info == "text").then(|| part.clone());
        parts.iter().filter_map(drawn).collect::<Vec<_>>()
    };
    assert_eq!(pictures(&english), pictures(&chinese));
}

#[test]
fn links_between_documents_lead_to_files_that_are_there() {
    for document in DOCUMENTS.into_iter().chain(["ARCHITECTURE.md", "SECURITY.md", "DEPENDENCIES.md"]) {
        for part in parts(&read(document)) {
            let Part::Link(address) = part else { continue };
            let file = address.split('#').next().unwrap_or_default();
            if !address.contains("://") && !file.is_empty() {
                let target = path(document).with_file_name(file);
                assert!(target.exists(), "{document} leads to {address}, which is not there");
            }
        }
    }
}

fn all() -> impl Iterator<Item = (&'static str, Typed)> {
    DOCUMENTS
        .into_iter()
        .flat_map(|document| typed(&read(document)).into_iter().map(move |typed| (document, typed)))
}

fn is_named(command: &str) -> bool {
    NOT_RUN.iter().any(|(name, _)| *name == command)
}

/// Returns whether a command is cargo's, but not one that only starts the program, or a script of the repository.
fn is_building(command: &str) -> bool {
    let first = command.split(' ').next().unwrap_or_default();
    (first == "cargo" && !command.starts_with("cargo run ")) || is_script(first)
}

fn is_script(word: &str) -> bool {
    ["tests/", "core/", "packaging/", ".ci/"].iter().any(|folder| word.starts_with(folder))
}

fn is_run(typed: &Typed) -> bool {
    !is_building(&typed.command) && !is_named(&typed.command)
}

/// Where the commands of a document are typed: a folder like the repository's root, in a namespace with a neighbour
/// that is example.org and a microcontroller.
struct Place {
    folder: PathBuf,
    here: Namespace,
    service: Option<Service>,
    _web: Running,
    _world: Namespace,
}

/// What goes on, and the output that the document shows of it.
struct Service {
    running: Running,
    typed: Typed,
    said: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let (here, world) = (Namespace::new(), Namespace::new());
        here.cable("192.0.2.1/24", &world, "192.0.2.80/24");
        world.shell("ip addr add 192.0.2.10/24 dev in");
        here.hosts("192.0.2.80 example.org\n");
        let folder = std::env::temp_dir().join(format!("sockhop-readme-{}", std::process::id()));
        // Left by a run that was killed and whose number this one has.
        let _ = fs::remove_dir_all(&folder);
        for part in ["home/target/release", "bin", "run"] {
            fs::create_dir_all(folder.join(part)).expect("there is room");
        }
        symlink(program(), folder.join("home/target/release/tun-demo")).expect("there is room");
        symlink(program(), folder.join("bin/tun-demo")).expect("there is room");
        let sudo = folder.join("bin/sudo");
        fs::write(&sudo, "#!/bin/sh\nexec \"$@\"\n").expect("there is room");
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::write(folder.join("home/image.bin"), vec![0x5A; 30_000_000]).expect("there is room");
        device(&world, program());
        let web = web(&world, &folder);
        Self { folder, here, service: None, _web: web, _world: world }
    }

    /// Does what the document says, and compares what is said with what it shows.
    fn follow(&mut self, document: &str, typed: &Typed) {
        let place = format!("{document}: {}", typed.command);
        if let Some((_, ready)) = SERVICES.iter().find(|(command, _)| *command == typed.command) {
            self.rest();
            let child = self.command(&typed.command, None).process_group(0).stdout(Stdio::piped()).spawn();
            let running = Running::new(child.expect("it starts"));
            let mut said = Vec::new();
            loop {
                said.push(running.line().unwrap_or_else(|| panic!("{place} ended: {said:#?}")));
                if said.last().is_some_and(|line| line.contains(ready)) {
                    break;
                }
            }
            self.service = Some(Service { running, typed: typed.clone(), said });
            return;
        }
        let output = self.command(&typed.command, Some(120)).output().expect("it starts");
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code =
            FAILING.iter().find(|(command, ..)| *command == typed.command).map_or(0, |(_, code, _)| *code);
        assert_ne!(
            output.status.code(),
            Some(124),
            "{place} has no end: it is one of SERVICES, or of NOT_RUN"
        );
        assert_eq!(output.status.code(), Some(code), "{place}: {text}");
        compare(&place, typed, text.lines());
    }

    /// Ends what goes on, as Ctrl-C does.
    fn rest(&mut self) {
        if let Some(Service { running, typed, mut said }) = self.service.take() {
            let (rest, done) = running.interrupt_all();
            said.extend(rest);
            assert!(done, "{} ends well: {said:#?}", typed.command);
            compare(&typed.command, &typed, said.iter().map(String::as_str));
        }
    }

    /// Returns a command in a shell that has this place's folders where the system's are, limited to these seconds.
    fn command(&self, line: &str, seconds: Option<u32>) -> std::process::Command {
        let line = line.replace("cargo run --release -- ", "tun-demo ").replace("cargo run -- ", "tun-demo ");
        let limit = seconds.map(|seconds| format!("timeout {seconds} ")).unwrap_or_default();
        let folder = self.folder.display();
        let whole = format!(
            "mount --bind {folder}/run /run && mount --bind {folder}/bin /usr/local/bin && cd {folder}/home && \
             export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin CURL_CA_BUNDLE={folder}/cert && \
             exec {limit}bash -c \"$0\" 2>&1"
        );
        self.here.command("bash", &["-c", &whole, &line])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Fails when a line that the document shows was not said; figures may be others.
fn compare<'a>(place: &str, typed: &Typed, said: impl Iterator<Item = &'a str>) {
    if SHOWN_ELSEWHERE.iter().any(|(command, _)| *command == typed.command) {
        return;
    }
    let said: Vec<String> = said.map(figures).collect();
    for line in typed.shown.iter().filter(|line| line.trim() != "...") {
        assert!(said.contains(&figures(line)), "{place} does not say {line:?}, but {said:#?}");
    }
}

/// Returns a line with each of its numbers as 0.
fn figures(line: &str) -> String {
    let mut out = String::new();
    for char in line.trim_end().chars() {
        let char = if char.is_ascii_digit() { '0' } else { char };
        if char != '0' || !out.ends_with('0') {
            out.push(char);
        }
    }
    out
}

/// Starts example.org, with a certificate that the place's curl believes.
fn web(world: &Namespace, folder: &std::path::Path) -> Running {
    let (key, cert) = (format!("{}/key", folder.display()), format!("{}/cert", folder.display()));
    let made = world.output(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=example.org",
            "-addext",
            "subjectAltName=DNS:example.org",
            "-keyout",
            &key,
            "-out",
            &cert,
        ],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let web = world
        .start("openssl", &["s_server", "-accept", "192.0.2.80:443", "-cert", &cert, "-key", &key, "-www"]);
    web.until("ACCEPT");
    web
}

/// Starts a microcontroller that gives its trace away at a port.
fn device(world: &Namespace, program: PathBuf) {
    let file = std::env::temp_dir().join(format!("sockhop-device-{}.trace", std::process::id()));
    let ran = std::process::Command::new(program).args(["lab", "loss", "--trace"]).arg(&file).output();
    assert!(ran.is_ok_and(|output| output.status.success()));
    let [kept, other] = ["a", "b"].map(|end| file.with_extension(format!("{end}.trace")));
    let trace = fs::read(&kept).expect("it was written");
    for file in [kept, other] {
        fs::remove_file(file).expect("it was written");
    }
    let (listens, wait) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            world.enter();
            listens.send(TcpListener::bind("192.0.2.10:7070").expect("the address is there"))
        });
    });
    let listener = wait.recv().expect("it listens");
    // It ends with its first client, or with the test.
    std::thread::spawn(move || listener.accept().and_then(|(mut stream, _)| stream.write_all(&trace)));
}
