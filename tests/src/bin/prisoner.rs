//! A process that locks itself in and then tries what must fail, and what must not.
//!
//! `prisoner gentle|stern TRY..` prints a line for each try; `prisoner keeper FILE MARK` opens FILE through a keeper for
//! each line of its input, and has MARK written once it is gone.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Pid, PidfdFlags, Signal};
use sockhop_hosted::sandbox::{Files, Keeper, Plan};
use std::io::BufRead;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::{fs, io, thread};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.split_first() {
        Some((&"keeper", [file, mark])) => keep(file, mark),
        Some((mode @ (&"gentle" | &"stern"), tries)) => {
            let paths =
                |kind| tries.iter().filter_map(move |word| word.strip_prefix(kind)).map(PathBuf::from);
            let (read, write) = (paths("keep=").collect(), paths("fill=").collect());
            lock(&Plan { stern: *mode == "stern", read, write, ..Plan::default() });
            for name in tries.iter().filter(|word| !word.starts_with("keep=") && !word.starts_with("fill=")) {
                println!("{name}: {}", said(attempt(name)));
            }
        }
        Some(_) | None => {
            eprintln!("prisoner gentle|stern [keep=PATH].. [fill=PATH].. TRY..\nprisoner keeper FILE MARK");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn lock(plan: &Plan) {
    match plan.enter() {
        Ok(held) => println!("{held}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn said(outcome: io::Result<()>) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(error) => error
            .raw_os_error()
            .map_or_else(|| error.to_string(), |number| format!("{}", Errno::from_raw_os_error(number))),
    }
}

/// Tries one thing.
fn attempt(name: &str) -> io::Result<()> {
    let open = |family, kind| socket(family, kind, None).map(drop).map_err(io::Error::from);
    let parent = rustix::process::getppid().unwrap_or(Pid::INIT);
    match name {
        "four" => open(AddressFamily::INET, SocketType::STREAM),
        "six" => open(AddressFamily::INET6, SocketType::DGRAM),
        "thread" => thread::Builder::new().spawn(|| ())?.join().map_err(|_| io::Error::other("it panicked")),
        "thread-unix" => {
            let other = thread::Builder::new().spawn(|| attempt("unix"))?;
            other.join().map_err(|_| io::Error::other("it panicked"))?
        }
        // The first look at the clock asks the kernel where its own is.
        "clock" => {
            let _now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            Ok(())
        }
        "unix" => open(AddressFamily::UNIX, SocketType::STREAM),
        "netlink" => open(AddressFamily::NETLINK, SocketType::RAW),
        "packet" => open(AddressFamily::PACKET, SocketType::RAW),
        "raw" => open(AddressFamily::INET, SocketType::RAW),
        "write" => fs::write("/tmp/sockhop-prisoner", "out"),
        "lock" => Ok(rustix::fs::flock(io::stdin(), rustix::fs::FlockOperation::NonBlockingLockShared)?),
        "exec" => Err(Command::new("/bin/true").exec()),
        "spawn" => Command::new("/bin/true").status().map(drop),
        "kill" => Ok(rustix::process::kill_process(parent, Signal::URG)?),
        "look" => Ok(rustix::process::pidfd_open(parent, PidfdFlags::empty()).map(drop)?),
        "root" => Ok(rustix::thread::set_thread_res_uid(
            rustix::process::Uid::ROOT,
            rustix::process::Uid::ROOT,
            rustix::process::Uid::ROOT,
        )?),
        path => match path.strip_prefix("make=") {
            Some(path) => fs::write(path, "in"),
            None => fs::read(path).map(drop),
        },
    }
}

/// Opens a file through a keeper, again and again, and leaves something to be undone.
fn keep(file: &str, mark: &str) {
    let (file, mark) = (Path::new(file), PathBuf::from(mark));
    let keeper = Keeper::start(vec![file.to_owned()], move || drop(fs::write(mark, "undone")));
    let files = Files::kept_by(Arc::new(keeper.expect("a process can be split off")));
    lock(&Plan { stern: true, ..Plan::default() });
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let path = if line == "other" { Path::new("/etc/shadow") } else { file };
        println!("{}", files.read(path).unwrap_or_else(|error| format!("error: {error}")));
    }
}
