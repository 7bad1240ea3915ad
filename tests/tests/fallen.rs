//! One worker of several that falls: all end, what was set up is undone, and somebody is told which one it was and what to
//! do.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use sockhop_hosted::egress::{Policy, Way};
use sockhop_hosted::engine;
use sockhop_hosted::forwarding::Plan;
use sockhop_hosted::metrics::Tally;
use sockhop_hosted::proxy;
use sockhop_hosted::runtime::{Reloaded, Runtime, Serving, Told};
use sockhop_hosted::tun::{self, Tun};
use sockhop_tests::netns::{Namespace, possible, program};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

const HOST: &str = "198.18.0.1";
const STACK: &str = "198.18.0.2";
const WORKERS: usize = 3;
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_worker_that_panics_ends_all_is_named_and_leaves_nothing() {
    let name = "a_worker_that_panics_ends_all_is_named_and_leaves_nothing";
    if !possible(name, &["nft"]) {
        return;
    }
    let namespace = Namespace::new();
    for place in 0..WORKERS {
        let (armed, fallen) = (AtomicBool::new(false), AtomicBool::new(false));
        let error = thread::scope(|scope| {
            let run = scope.spawn(|| {
                let error = serve(&namespace, place, &armed);
                fallen.store(true, Ordering::Release);
                error
            });
            let clients = scope.spawn(|| {
                namespace.enter();
                let (mut held, began) = (Vec::new(), Instant::now());
                while !fallen.load(Ordering::Acquire) {
                    assert!(began.elapsed() < PATIENCE, "worker {place} has fallen, and others go on");
                    held.extend(greeted());
                    // But in one of ten thousand runs each worker has some by now; all are open.
                    armed.store(held.len() >= 30, Ordering::Release);
                }
                held.len()
            });
            assert!(clients.join().expect("the clients do not panic") >= 30);
            run.join().expect("a worker's panic is an error of all")
        });
        let said = error.to_string();
        assert!(said.contains(&format!("worker {place} panicked (the test says so)")), "{said}");
        assert!(said.contains("start again") && said.contains("report it"), "{said}");
        assert_eq!(namespace.shell("ip -o link | grep -c tun"), "0", "the device is gone");
        assert_eq!(namespace.shell("nft list tables; sysctl -n net.ipv4.ip_forward"), "0", "so is the rest");
        assert_eq!(workers(), 0, "no thread is left");
    }
}

#[test]
fn a_device_that_somebody_removes_ends_the_program_which_says_so_and_undoes_what_it_set_up() {
    let name = "a_device_that_somebody_removes_ends_the_program_which_says_so_and_undoes_what_it_set_up";
    if !possible(name, &["nft", "timeout"]) {
        return;
    }
    let namespace = Namespace::new();
    let (program, trace) =
        (program(), std::env::temp_dir().join(format!("sockhop-fallen-{}.jsonl", std::process::id())));
    let line = format!(
        "timeout -s KILL {} {} socks5 --addr6 none --egress stack --setup --workers 2 --trace {} 2>&1; echo exit $?",
        PATIENCE.as_secs(),
        program.display(),
        trace.display()
    );
    let running = namespace.start("sh", &["-c", &line]);
    running.until("Ctrl-C");
    assert!(namespace.shell("nft list tables").contains("sockhop_tun0"));
    let greeted = thread::scope(|scope| {
        let client = scope.spawn(|| {
            namespace.enter();
            greeted()
        });
        client.join().expect("it does not panic")
    });
    assert!(greeted.is_some());
    namespace.shell("ip link del tun0");
    running.until("somebody has removed tun0 while it was used: start again");
    assert_eq!(running.until("exit "), "exit 1");
    assert_eq!(namespace.shell("nft list tables; sysctl -n net.ipv4.ip_forward"), "0");
    let text = std::fs::read_to_string(&trace).expect("it was written");
    assert!(
        text.lines().any(|line| line.contains("\"event\":\"opened\"")),
        "what was recorded is kept: {text}"
    );
    std::fs::remove_file(trace).expect("it was written");
}

/// Serves in the namespace, with everything set up for the stack's way out, until a worker panics once it may.
fn serve(namespace: &Namespace, falling: usize, may: &AtomicBool) -> io::Error {
    namespace.enter();
    let (host, stack) = (HOST.parse().expect("an address"), STACK.parse().expect("an address"));
    let device = tun::Config { name: None, addresses: vec![(host, 30)], mtu: 1_500, offload: false };
    let queues = Tun::open_queues(&device, WORKERS).expect("root may");
    let _applied = Plan::new(queues[0].name(), [stack]).apply().expect("root may");
    let config = engine::Config::new(vec![(stack, 30)], 1_500, [1, 2]);
    let sinks = (0..WORKERS).map(|_| Tally::new((), false)).collect();
    let serving = Serving {
        listeners: vec![SocketAddr::new(stack, 1_080)],
        config: proxy::Config::default(),
        policy: Policy::default(),
        way: Way::Stack,
        began: Instant::now(),
    };
    let queues = queues.into_iter().zip(engine::several(&config, sinks)).collect();
    let runtime = Runtime::new(queues, &serving).expect("there are descriptors");
    let made = AtomicUsize::new(0);
    let teller = || {
        // The first worker is the last to begin.
        let place = (made.fetch_add(1, Ordering::Relaxed) + 1) % WORKERS;
        move |_: Told<'_>, (): &mut ()| {
            assert!(place != falling || !may.load(Ordering::Acquire), "the test says so");
        }
    };
    let reload: Option<fn() -> Option<Reloaded>> = None;
    runtime.run(teller, reload).map(drop).expect_err("a worker has fallen")
}

/// Returns a connection to the proxy that has answered a greeting, if it still serves.
fn greeted() -> Option<TcpStream> {
    let at = SocketAddr::new(STACK.parse().expect("an address"), 1_080);
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(&[5, 1, 0]).ok()?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).ok()?;
    (answer == [5, 0]).then_some(stream)
}

/// Returns how many threads of this process are workers.
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("it is there");
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("worker ")).count()
}
