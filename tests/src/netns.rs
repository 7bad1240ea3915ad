//! A network namespace for a test, with what runs in it; both are gone when it is dropped.

use core::sync::atomic::{AtomicU32, Ordering};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Returns whether a test can run here that needs these tools and no namespace; if not, says so by name, or fails where
/// skipping is forbidden.
pub fn installed(test: &str, tools: &[&str]) -> bool {
    allowed(test, &lacking(tools))
}

/// Returns whether a test can run here; if not, says so by name, or fails where skipping is forbidden.
pub fn possible(test: &str, tools: &[&str]) -> bool {
    let mut missing = lacking(&[tools, &["ip"]].concat());
    if !rustix::process::geteuid().is_root() {
        missing.push("root".to_owned());
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        missing.push("/dev/net/tun".to_owned());
    }
    allowed(test, &missing)
}

/// Returns which of these tools are not there.
pub fn lacking(tools: &[&str]) -> Vec<String> {
    let found = |tool: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| dir.join(tool).exists())
    };
    tools.iter().filter(|tool| !found(tool)).map(|tool| (*tool).to_owned()).collect()
}

/// Returns whether nothing is missing; if something is, says so by name, or fails where skipping is forbidden.
///
/// # Panics
/// Something is missing, and `SOCKHOP_NO_SKIP` is set.
pub fn allowed(test: &str, missing: &[String]) -> bool {
    if missing.is_empty() {
        return true;
    }
    let line = format!("skipped: {test} (needs {})", missing.join(", "));
    assert!(std::env::var_os("SOCKHOP_NO_SKIP").is_none(), "{line}");
    // Not through `eprintln!`, which the test harness swallows.
    let _ = writeln!(std::io::stderr(), "{line}");
    false
}

/// A process that is ended when it is dropped, and the lines it prints, which never wait for the test.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Follows a process whose output is piped.
    ///
    /// # Panics
    /// It is not piped.
    pub fn new(mut child: Child) -> Self {
        let out = BufReader::new(child.stdout.take().expect("the output is piped"));
        let (said, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { child, lines }
    }

    /// Returns the next line, or nothing when the process has ended.
    pub fn line(&self) -> Option<String> {
        self.lines.recv().ok()
    }

    /// Reads lines up to one that has this in it, and returns it.
    ///
    /// # Panics
    /// The process ended without such a line.
    pub fn until(&self, part: &str) -> String {
        let mut before = Vec::new();
        while let Some(line) = self.line() {
            if line.contains(part) {
                return line;
            }
            before.push(line);
        }
        panic!("no line with {part:?}, but {before:#?}");
    }

    /// Returns the memory that the process holds, in octets.
    ///
    /// # Panics
    /// The process is gone.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says so");
        1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    }

    /// Returns how many descriptors the process holds.
    ///
    /// # Panics
    /// The process is gone.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the process is there").count()
    }

    /// Returns the process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the process to read its settings again.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    /// Stops the process where it is, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets a process go on that was stopped.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until an `asker` has had each of its datagrams echoed and has ended, and returns what it said of each.
    ///
    /// # Panics
    /// One came back changed, or not at all.
    pub fn echoed(&self) -> [String; 5] {
        let lines = [1, 0, 1_472, 8_192, 60_000].map(|size| {
            let line = self.until("from");
            assert!(line.starts_with(&format!("{size} from ")) && line.ends_with("right"), "{line}");
            line
        });
        self.until("closed");
        lines
    }

    /// Asks the process to end as Ctrl-C does, and returns the lines it still prints and whether it succeeded.
    pub fn interrupt(self) -> (Vec<String>, bool) {
        self.signal(rustix::process::Signal::INT);
        self.finish()
    }

    /// The same for a process that leads a group of its own, and for all in it, as a terminal does.
    pub fn interrupt_all(self) -> (Vec<String>, bool) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::INT);
        }
        self.finish()
    }

    fn finish(mut self) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            lines.push(line);
        }
        (lines, self.child.wait().is_ok_and(|status| status.success()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A namespace of its own.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace whose loopback is up and whose kernel uses Reno, if it has it.
    pub fn new() -> Self {
        let name = format!("sockhop-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).status();
        assert!(made.is_ok_and(|status| status.success()), "ip netns add {name}");
        let namespace = Self { name };
        namespace.output("ip", &["link", "set", "lo", "up"]);
        namespace.output("sysctl", &["-qw", "net.ipv4.tcp_congestion_control=reno"]);
        namespace
    }

    /// Joins this namespace to another by a cable; `here` and `there` are its ends' addresses with prefix lengths.
    ///
    /// # Panics
    /// The kernel does not let it.
    pub fn cable(&self, here: &str, other: &Self, there: &str) {
        let (ours, theirs) = (&self.name, &other.name);
        let line = format!(
            "ip link add out type veth peer name in netns {theirs} && ip addr add {here} dev out && ip link set out up && \
             ip -n {theirs} addr add {there} dev in && ip -n {theirs} link set in up && echo {ours}"
        );
        assert_eq!(self.shell(&line), *ours, "{line}");
    }

    /// Moves the calling thread, and those it will start, into the namespace: its sockets are made there from now on.
    ///
    /// # Panics
    /// The kernel does not let it.
    pub fn enter(&self) {
        let file =
            std::fs::File::open(format!("/run/netns/{}", self.name)).expect("the namespace has a file");
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(file.as_fd(), kind).expect("root may enter");
    }

    /// Has names mean these addresses for the programs that are started from now on, in the form of `/etc/hosts`.
    ///
    /// # Panics
    /// There is no room.
    pub fn hosts(&self, text: &str) {
        let folder = format!("/etc/netns/{}", self.name);
        std::fs::create_dir_all(&folder).expect("root may write there");
        std::fs::write(format!("{folder}/hosts"), text).expect("root may write there");
    }

    /// Returns a program that is yet to be run, and finds nothing at its standard input.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().expect("ip netns exec runs")
    }

    /// Runs a shell line to its end and returns what it printed.
    pub fn shell(&self, line: &str) -> String {
        String::from_utf8_lossy(&self.output("sh", &["-c", line]).stdout).trim().to_owned()
    }

    /// Starts a program that goes on until it is dropped.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let child = self.command(program, arguments).stdout(Stdio::piped()).spawn();
        Running::new(child.expect("ip netns exec runs"))
    }

    /// Starts the proxy and waits until it serves.
    pub fn proxy(&self, arguments: &[&str]) -> Running {
        let program = program();
        let fixed = ["socks5", "--addr6", "fd00:5ac5::2/126", "--allow", "loopback"];
        let running = self.start(&program.to_string_lossy(), &[&fixed, arguments].concat());
        running.until("Ctrl-C");
        running
    }

    /// Starts a client of the proxy.
    pub fn asker(&self, arguments: &[&str]) -> Running {
        let fixed = ["198.18.0.2:1080", "127.0.0.1:8000"];
        self.start(&neighbour("asker").to_string_lossy(), &[&fixed, arguments].concat())
    }

    /// Starts an origin and waits until it listens.
    pub fn origin(&self, at: &str, mode: &str) -> Running {
        let running = self.start(&neighbour("origin").to_string_lossy(), &[at, mode]);
        running.until("ready");
        running
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        // Only namespaces with names of their own have a folder.
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.name));
    }
}

/// Returns a binary that stands where the tests' own do.
pub fn neighbour(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("a test knows where it is");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join(name)
}

/// Returns the command under test, built once.
///
/// # Panics
/// It cannot be built.
pub fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let path = neighbour("tun-demo");
            let folder = path.parent().expect("target/PROFILE");
            let target = folder.parent().expect("target/PROFILE");
            let profile = if folder.ends_with("debug") { "dev" } else { "release" };
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo)
                .args(["build", "--quiet", "-p", "tun-demo", "--profile", profile, "--target-dir"])
                .arg(target)
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .status();
            assert!(built.is_ok_and(|status| status.success()), "cargo build -p tun-demo");
            path
        })
        .clone()
}
