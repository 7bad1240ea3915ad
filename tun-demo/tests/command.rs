//! What the command does with what people type.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tun-demo");
const SUBCOMMANDS: [&str; 17] = [
    "socks5",
    "netstat",
    "top",
    "lab",
    "sim",
    "trace",
    "send",
    "receive",
    "echo",
    "ping",
    "explain",
    "passwd",
    "config",
    "doctor",
    "states",
    "completions",
    "man",
];

#[test]
fn a_wrong_command_line_names_the_value_and_ends_with_2() {
    let long = "a".repeat(256);
    let long_user = format!("{long}:x");
    let cases: [(&[&str], &str); 17] = [
        (&["--lader"], "--lader"),
        (&["sock5"], "sock5"),
        (&["socks5", "--lader"], "--lader"),
        (&["lab", "windows"], "a similar value exists: 'window'"),
        (&["lab", "--seed", "x"], "'x'"),
        (&["socks5", "--addr", "198.18.0.2"], "no prefix length"),
        (&["socks5", "--addr", "198.18.0/30"], "198.18.0"),
        (&["socks5", "--addr", "198.18.0.2/33"], "198.18.0.2/33"),
        (&["socks5", "--addr6", "fd00::/126"], "fd00::/126"),
        (&["socks5", "--user", "ann"], "NAME:PASS"),
        (&["socks5", "--user", &long_user], "255"),
        (&["socks5", "--port", "70000"], "70000"),
        (&["socks5", "--listen", "localhost:1080"], "\"localhost:1080\" is no address with a port"),
        (&["socks5", "--mtu", "100"], "100"),
        (&["socks5", "--deny", "10.0.0.0/40"], "10.0.0.0/40"),
        (&["explain", "example.org:80"], "example.org:80"),
        (&["sim", "--profile", "awful"], "awful"),
    ];
    for (arguments, said) in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains(said), "{arguments:?}: {}", err(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_service_that_cannot_be_one_says_why_and_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let listen = ["socks5", "--listen", "127.0.0.1:0"];
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--run-as", "root"], 2, "--run-as: \"root\" is no user"),
        (&["--run-as", "0:1000"], 2, "\"0:1000\" is no user"),
        (&["--names", "libc"], 2, "add --no-sandbox"),
        (&["--run-as", "1:1", "--no-sandbox"], 2, "cannot be used with"),
        (&["--metrics", &taken], 5, &taken),
        (&["--drain=-1"], 2, "between 0 and 86400"),
    ];
    for (arguments, code, said) in cases {
        let output = run(&[&listen, arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(said), "{arguments:?}: {}", err(&output));
    }
    let output = run(&["socks5", "--activated"]);
    assert_eq!(output.status.code(), Some(6), "{}", err(&output));
    assert!(err(&output).contains("LISTEN_FDS"), "{}", err(&output));
}

#[test]
fn pages_are_written_for_each_command() {
    let folder = std::env::temp_dir().join(format!("sockhop-pages-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let shown = folder.to_string_lossy().into_owned();
    assert!(run(&["man", "--to", &shown]).status.success());
    for page in ["tun-demo.1", "tun-demo-socks5.1", "tun-demo-config-print.1"] {
        assert!(std::fs::read_to_string(folder.join(page)).unwrap().contains(".TH"), "{page}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let output = run(&["man", "--to", &shown]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains(&shown));
}

#[test]
fn help_has_examples_and_fits_a_screen() {
    for subcommand in SUBCOMMANDS {
        let text = out(&run(&[subcommand, "-h"]));
        assert!(text.contains("Examples:"), "{subcommand}");
        assert!(text.lines().count() <= 40, "{subcommand}: {} lines", text.lines().count());
    }
    assert!(out(&run(&["--help"])).contains("Exit codes:"));
}

#[test]
fn the_manual_page_has_every_subcommand_and_every_exit_code() {
    let text = out(&run(&["man"]));
    for subcommand in SUBCOMMANDS {
        assert!(text.contains(&format!("TUN-DEMO {}", subcommand.to_uppercase())), "{subcommand}");
    }
    for code in 0..=10 {
        assert!(text.contains(&format!("{code}  ")), "exit code {code}");
    }
}

#[test]
fn completions_are_there_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(out(&run(&["completions", shell])).contains("handshake-timeout"), "{shell}");
    }
}

#[test]
fn a_scenario_is_listed_and_played_without_colours_in_a_pipe() {
    let listed = out(&run(&["lab", "--list"]));
    let names: Vec<&str> =
        listed.lines().filter_map(|line| line.strip_prefix("   ")?.split(' ').next()).collect();
    assert!(names.len() > 10, "{listed}");
    for scenario in names {
        let output = run(&["lab", scenario]);
        assert_eq!(output.status.code(), Some(0), "{scenario}: {}", err(&output));
        assert!(out(&output).contains("What happened") && !out(&output).contains('\x1b'), "{scenario}");
    }
    let shown = out(&run(&["lab"]));
    assert!(shown.contains("SOCKS5") && shown.contains("tun-demo lab handshake"), "{shown}");
    assert_eq!(out(&run(&["lab", "loss", "--seed", "9"])), out(&run(&["lab", "loss", "--seed", "9"])));
}

#[test]
fn the_rules_explain_themselves() {
    for (arguments, said) in [
        (&["127.0.0.1:80"][..], "refused with code 2: is this host's loopback; --allow loopback"),
        (&["127.0.0.1:80", "--allow", "loopback"], "let through: the rule `--allow loopback` decides"),
        (&["10.1.2.3:22", "--deny", "10.0.0.0/8", "--allow", "any"], "the rule `--deny 10.0.0.0/8` decides"),
        (&["[::ffff:10.1.2.3]:22", "--deny", "ann@10.0.0.0/8", "--user", "ann"], "10.1.2.3:22 is refused"),
        (&["192.0.2.1:443", "--name", "www.example.org", "--deny", ".example.org"], "`--deny .example.org`"),
    ] {
        let text = out(&run(&[&["explain"], arguments].concat()));
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn a_simulation_is_replayed_from_its_seed_and_made_small() {
    let once = run(&["sim", "--seed", "7"]);
    assert_eq!(once.status.code(), Some(0), "{}", err(&once));
    assert_eq!(out(&once), out(&run(&["sim", "--seed", "7"])));
    let failed = run(&["sim", "--profile", "mild", "--seed", "26", "--guard", "none", "--shrink"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(err(&failed).contains("seed 26 of mild"), "{}", err(&failed));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    for arguments in [&["lab", "--whole"][..], &["completions", "zsh"], &["man"], &["states"], &["--help"]] {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!((child.wait().expect("it ends").code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn without_privileges_the_way_out_is_named() {
    if !possible("without_privileges_the_way_out_is_named", &["setpriv"]) {
        return;
    }
    // The program may stand where nobody but root can go.
    let copy = std::env::temp_dir().join(format!("sockhop-command-{}", std::process::id()));
    std::fs::copy(PROGRAM, &copy).expect("the program can be copied");
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"];
    let output = Command::new("setpriv").args(nobody).arg(&copy).arg("socks5").output().expect("it starts");
    std::fs::remove_file(&copy).expect("it was made above");
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert_eq!(err(&output).lines().count(), 1);
    assert!(err(&output).contains("sudo"), "{}", err(&output));
}

#[test]
fn a_device_or_route_in_the_way_is_named() {
    if !possible("a_device_or_route_in_the_way_is_named", &["ip"]) {
        return;
    }
    let name = format!("sockhop-command-{}", std::process::id());
    let ip = |arguments: &[&str]| {
        let status = Command::new("ip").args(arguments).status().expect("ip runs");
        assert!(status.success(), "ip {arguments:?}");
    };
    let inside = |arguments: &[&str]| {
        let fixed = ["netns", "exec", &name, PROGRAM, "socks5", "--addr6", "none"];
        Command::new("ip").args(fixed).args(arguments).output().expect("ip netns exec runs")
    };
    ip(&["netns", "add", &name]);
    let _gone_at_the_end = Namespace(&name);
    ip(&["-n", &name, "link", "add", "taken0", "type", "veth", "peer", "name", "taken1"]);
    ip(&["-n", &name, "addr", "add", "198.18.0.9/24", "dev", "taken0"]);
    ip(&["-n", &name, "link", "set", "taken0", "up"]);
    let outcomes = [
        (inside(&["--tun", "taken0", "--addr", "10.9.0.2/30"]), 4, "\"taken0\""),
        (inside(&["--tun", "sixteen-letters-", "--addr", "10.9.0.2/30"]), 4, "\"sixteen-letters-\""),
        (inside(&["--tun", "a/b", "--addr", "10.9.0.2/30"]), 4, "\"a/b\""),
        (inside(&[]), 5, "198.18.0.0/24, which taken0"),
    ];
    for (output, code, said) in outcomes {
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert!(err(&output).contains(said), "{}", err(&output));
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    }
}

/// A namespace that is removed when this is dropped.
struct Namespace<'a>(&'a str);

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", self.0]).status();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("NO_COLOR").output().expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns whether a test can run here; if not, says so by name, or fails where skipping is forbidden.
fn possible(test: &str, tools: &[&str]) -> bool {
    use std::io::Write;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = |tool: &&&str| !std::env::split_paths(&path).any(|dir| dir.join(tool).exists());
    let mut needs: Vec<&str> = tools.iter().filter(missing).copied().collect();
    if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        needs.push("root");
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        needs.push("/dev/net/tun");
    }
    if needs.is_empty() {
        return true;
    }
    let line = format!("skipped: {test} (needs {})", needs.join(", "));
    assert!(std::env::var_os("SOCKHOP_NO_SKIP").is_none(), "{line}");
    let _ = writeln!(std::io::stderr(), "{line}");
    false
}

#[test]
fn a_listener_serves_without_root_and_a_taken_port_is_named() {
    let origin = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let port = origin.local_addr().expect("it is bound").port();
    let mut child = Command::new(PROGRAM)
        .args(["socks5", "--listen", "127.0.0.1:0", "--allow", "loopback"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("SOCKS5 at")).expect("it says where it listens");
    let at = line.split_whitespace().last().expect("an address").to_owned();
    let mut client = TcpStream::connect(&at).expect("it listens");
    // What follows the request in the same segment is the target's.
    let request = [&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1][..], &port.to_be_bytes(), b"early"].concat();
    client.write_all(&request).expect("it reads");
    let (mut target, _) = origin.accept().expect("it is dialed");
    let mut heard = [0; 5];
    target.read_exact(&mut heard).expect("it is passed on");
    target.write_all(b"late").expect("it is read");
    drop(target);
    let mut said = Vec::new();
    client.read_to_end(&mut said).expect("the end is passed on");
    assert_eq!((&heard, &said[..4], &said[said.len() - 4..]), (b"early", &[5, 0, 5, 0][..], &b"late"[..]));
    let second = run(&["socks5", "--listen", &at]);
    assert_eq!(second.status.code(), Some(5));
    assert!(err(&second).contains(&at) && err(&second).contains("choose another port"), "{}", err(&second));
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
}

#[test]
fn a_password_becomes_a_line_that_does_not_hold_it() {
    let passwd = |name: &str, typed: &str| {
        let mut child = Command::new(PROGRAM)
            .args(["passwd", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // One that refuses the name reads nothing.
        let _ = child.stdin.take().expect("it is piped").write_all(typed.as_bytes());
        child.wait_with_output().expect("it ends")
    };
    let output = passwd("ann", "secret\n");
    let line = out(&output);
    assert!(line.starts_with("ann:$argon2id$") && !line.contains("secret"), "{line}");
    assert_ne!(out(&passwd("ann", "secret\n")), line, "each line has a salt of its own");
    for (name, typed, said) in
        [("ann", "\n", "1 to 255"), ("a:b", "secret\n", "colon"), ("#a", "x\n", "name")]
    {
        let output = passwd(name, typed);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(err(&output).contains(said), "{name}: {}", err(&output));
    }
}

#[test]
fn a_file_of_flags_is_checked_like_the_command_line() {
    let folder = std::env::temp_dir().join(format!("sockhop-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("there is room");
        path.to_string_lossy().into_owned()
    };
    let users = file("users", "ann:secret\n");
    let empty = file("empty", "# nobody\n");
    for (arguments, code, said) in [
        (["--config", "/nowhere.toml"], 1, "/nowhere.toml"),
        (["--config", &file("a", "prot = 1")], 2, "\"prot\" is no flag"),
        (["--config", &file("b", "port = 70000")], 2, "70000"),
        (["--config", &file("c", "deny = [\"10.0.0.0/40\"]")], 2, "10.0.0.0/40"),
        (["--config", &file("d", "listen = \"127.0.0.1:0\"\nmtu = 1500")], 2, "--mtu"),
        (["--users", &users], 2, "line 1: ann has no argon2 hash"),
        (["--users", &file("cut", "ann:$argon2id$v=19$m=1\n")], 2, "line 1: ann has no argon2 hash"),
        (["--users", &empty], 2, "no user"),
        (["--users", "/nowhere"], 1, "/nowhere"),
    ] {
        let output = run(&["socks5", arguments[0], arguments[1]]);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(said), "{arguments:?}: {}", err(&output));
    }
    std::fs::remove_dir_all(&folder).expect("it was made above");
}

#[test]
fn who_asks_a_proxy_that_is_not_there_is_told_where_it_was_looked_for() {
    let missing = std::env::temp_dir().join(format!("sockhop-nobody-{}", std::process::id()));
    let missing = missing.to_string_lossy();
    for arguments in [&["netstat"][..], &["netstat", "--json"], &["netstat", "--watch", "0.5"]] {
        let output = run(&[arguments, &["--control", &missing]].concat());
        assert_eq!(output.status.code(), Some(10), "{arguments:?}");
        let said = err(&output);
        assert!(said.contains(&*missing) && said.contains("tun-demo socks5"), "{arguments:?}: {said}");
    }
    let output = run(&["top", "--control", &missing]);
    assert_eq!(output.status.code(), Some(2), "a screen needs a terminal first");
}
