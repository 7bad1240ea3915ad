//! What a locked process can do no more, whoever started it, and what it still can.

use sockhop_tests::folder::Folder;
use sockhop_tests::netns::{Namespace, neighbour, possible};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What must fail, and how it does where system calls that are not the program's fail instead of ending it.
const FORBIDDEN: [(&str, &str); 12] = [
    ("/etc/shadow", "Permission denied"),
    ("/etc/hostname", "Permission denied"),
    ("write", "Permission denied"),
    ("unix", "Operation not permitted"),
    ("thread-unix", "Operation not permitted"),
    ("netlink", "Operation not permitted"),
    ("packet", "Operation not permitted"),
    ("raw", "Operation not permitted"),
    ("exec", "Operation not permitted"),
    ("kill", "Operation not permitted"),
    ("look", "Operation not permitted"),
    ("root", "Operation not permitted"),
];
/// What the program does all the time.
const ALLOWED: [&str; 4] = ["four", "six", "thread", "clock"];

fn prisoner() -> String {
    neighbour("prisoner").to_string_lossy().into_owned()
}

/// Runs the prisoner behind `before`, and returns its lines.
fn tried(before: &[&str], arguments: &[&str]) -> Vec<String> {
    let program = prisoner();
    let line = [before, &[&*program], arguments].concat();
    let output = Command::new(line[0]).args(&line[1..]).output().expect("it runs");
    assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn holds(before: &[&str], user: &str) {
    let forbidden = FORBIDDEN.map(|(name, _)| name);
    let lines = tried(before, &[&["gentle"], &forbidden[..], &ALLOWED].concat());
    assert!(
        lines[0].starts_with(&format!("locked in: user {user}, no capabilities, no files")),
        "{}",
        lines[0]
    );
    for ((name, how), line) in FORBIDDEN.iter().zip(&lines[1..]) {
        assert!(line.starts_with(&format!("{name}: {how}")), "{line}");
    }
    for (name, line) in ALLOWED.iter().zip(&lines[1 + FORBIDDEN.len()..]) {
        assert_eq!(*line, format!("{name}: done"));
    }
}

#[test]
fn root_becomes_nobody_and_can_do_nothing_but_the_programs_own_calls() {
    if possible("root_becomes_nobody_and_can_do_nothing_but_the_programs_own_calls", &[]) {
        holds(&["env", "-u", "SUDO_UID"], "65534");
    }
}

#[test]
fn whoever_called_sudo_is_who_it_becomes() {
    if possible("whoever_called_sudo_is_who_it_becomes", &[]) {
        holds(&["env", "SUDO_UID=4242", "SUDO_GID=4243"], "4242");
    }
}

#[test]
fn the_root_of_a_user_namespace_is_locked_in_as_well() {
    if possible("the_root_of_a_user_namespace_is_locked_in_as_well", &["unshare"]) {
        holds(&["unshare", "--user", "--map-root-user"], "0");
    }
}

#[test]
fn somebody_without_root_is_locked_in_as_well() {
    if possible("somebody_without_root_is_locked_in_as_well", &["setpriv"]) {
        holds(&["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"], "4242");
    }
}

#[test]
fn a_stern_sandbox_ends_the_process_at_the_first_wrong_call() {
    if !possible("a_stern_sandbox_ends_the_process_at_the_first_wrong_call", &[]) {
        return;
    }
    let ended = |name: &str| {
        let status = Command::new(prisoner()).args(["stern", name]).stdout(Stdio::null()).status();
        status.expect("it runs").signal()
    };
    let bad_call = Some(31);
    for name in ["unix", "netlink", "packet", "raw", "exec", "kill", "look", "root"] {
        assert_eq!(ended(name), bad_call, "{name}");
    }
    // A backtrace that cannot be read is no attack.
    for name in ["/etc/shadow", "write", "four", "six", "thread", "clock"] {
        assert_eq!(ended(name), None, "{name}");
    }
}

#[test]
fn an_old_kernel_gives_what_it_has_and_what_it_lacks_is_said() {
    if !possible("an_old_kernel_gives_what_it_has_and_what_it_lacks_is_said", &[]) {
        return;
    }
    let without = neighbour("without").to_string_lossy().into_owned();
    let on = |kernel| tried(&[&without, kernel], &["gentle", "/etc/hostname", "unix", "four"]);
    for kernel in ["landlock", "landlock-off"] {
        let lines = on(kernel);
        assert!(lines[0].contains("no capabilities, no landlock in this kernel, "), "{kernel}: {}", lines[0]);
        // What landlock would keep away, the calls do.
        assert!(lines[0].ends_with("system calls, of which others fail"), "{kernel}: {}", lines[0]);
        assert_eq!(
            lines[1..],
            [
                "/etc/hostname: Permission denied (os error 13)",
                "unix: Operation not permitted (os error 1)",
                "four: done"
            ],
            "{kernel}"
        );
    }
    let lines = on("seccomp");
    assert!(lines[0].ends_with("no capabilities, no files, no seccomp in this kernel"), "{}", lines[0]);
    assert_eq!(lines[1..], ["/etc/hostname: Permission denied (os error 13)", "unix: done", "four: done"]);
}

#[test]
fn the_proxy_serves_on_a_kernel_without_landlock_and_its_start_screen_says_so() {
    if !possible("the_proxy_serves_on_a_kernel_without_landlock_and_its_start_screen_says_so", &["curl"]) {
        return;
    }
    let namespace = Namespace::new();
    let _http = namespace.origin("127.0.0.1:8000", "http");
    // Built once by whoever needs a TUN first.
    drop(namespace.proxy(&[]));
    let (without, program) = (neighbour("without"), neighbour("tun-demo"));
    let line = ["landlock", &program.to_string_lossy(), "socks5", "--allow", "loopback"];
    let proxy = namespace.start(&without.to_string_lossy(), &line);
    assert!(proxy.until("locked in").contains("no landlock in this kernel"));
    proxy.until("Ctrl-C");
    assert_eq!(
        namespace.shell("curl -s --max-time 20 --socks5-hostname 198.18.0.2:1080 http://localhost:8000/"),
        "hello"
    );
    proxy.interrupt();
}

#[test]
fn landlock_alone_keeps_files_away_that_are_not_in_the_plan() {
    if !possible("landlock_alone_keeps_files_away_that_are_not_in_the_plan", &["unshare"]) {
        return;
    }
    // In this namespace the process stays root, whom file permissions stop nowhere.
    let root = ["unshare", "--user", "--map-root-user"];
    let lines =
        tried(&root, &["gentle", "keep=/etc/passwd", "/etc/passwd", "/etc/shadow", "/etc/group", "write"]);
    assert!(lines[0].contains("its own files only"), "{}", lines[0]);
    let said: Vec<&str> = lines[1..].iter().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(said[0], "done");
    assert!(said[1..].iter().all(|how| how.starts_with("Permission denied")), "{said:?}");
}

#[test]
fn only_where_a_folder_is_kept_files_are_made_and_locked_and_only_in_it() {
    if !possible("only_where_a_folder_is_kept_files_are_made_and_locked_and_only_in_it", &["unshare"]) {
        return;
    }
    let folder = Folder::new("filled");
    let path = folder.path().to_string_lossy().into_owned();
    let (fill, make, beside) =
        (format!("fill={path}"), format!("make={path}/new"), format!("make={path}-beside"));
    let tries = [&*make, &*beside, "lock", "/etc/shadow", "unix", "exec", "kill"];
    // In this namespace the process stays root, whom file permissions stop nowhere.
    let root = ["unshare", "--user", "--map-root-user"];
    let how = |lines: Vec<String>| {
        let said = lines[1..].iter().filter_map(|line| line.rsplit_once(": ").map(|(_, how)| how.to_owned()));
        said.map(|how| how.split(" (").next().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    let (denied, foreign) = ("Permission denied", "Operation not permitted");
    let kept = tried(&root, &[&["gentle", &fill], &tries[..]].concat());
    assert!(kept[0].contains("its own files only"), "{}", kept[0]);
    assert_eq!(how(kept), ["done", denied, "done", denied, foreign, foreign, foreign]);
    assert_eq!(folder.names(), ["new"]);
    let nothing = tried(&root, &[&["gentle"], &tries[..3]].concat());
    assert_eq!(how(nothing), [denied, denied, foreign]);
}

#[test]
fn the_keeper_opens_a_replaced_file_of_roots_and_no_other_and_undoes_when_its_owner_is_killed() {
    let name = "the_keeper_opens_a_replaced_file_of_roots_and_no_other_and_undoes_when_its_owner_is_killed";
    if !possible(name, &[]) {
        return;
    }
    let (file, mark, next) = (place("settings"), place("mark"), place("next"));
    let put = |path: &PathBuf, text: &str| {
        fs::write(path, text).expect("root may write there");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    };
    put(&file, "first");
    let mut child = Command::new(prisoner())
        .args([&"keeper".into(), &file, &mark])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(lines.next().is_some_and(|line| line.contains("user 65534")));
    let mut ask = |child: &mut Child, what: &str| {
        writeln!(child.stdin.as_mut().expect("it is piped"), "{what}").expect("it reads");
        lines.next()
    };
    assert_eq!(ask(&mut child, "it").as_deref(), Some("first"));
    put(&next, "second");
    fs::rename(&next, &file).expect("it is ours");
    assert_eq!(ask(&mut child, "it").as_deref(), Some("second"));
    let other = ask(&mut child, "other").unwrap_or_default();
    assert!(other.contains("/etc/shadow was not named"), "{other}");
    fs::remove_file(&file).expect("it is ours");
    assert!(ask(&mut child, "it").is_some_and(|line| line.contains("No such file")));
    assert!(!mark.exists());
    // Nothing is left to the killed process itself.
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let undone = || fs::read_to_string(&mark).is_ok_and(|text| text == "undone");
    let until = std::time::Instant::now() + core::time::Duration::from_secs(10);
    while !undone() && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
    assert!(undone(), "the keeper has outlived its owner");
    fs::remove_file(&mark).expect("it is ours");
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sockhop-{name}-{}", std::process::id()))
}
