//! A stack on a TUN that opens a connection to the kernel: `opener PORT first|second`.
//!
//! It sends a line, reads to the end, closes before or after the kernel does, and prints the states it went through.

use core::net::SocketAddr;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use sockhop::relay::{Ring, Stream};
use sockhop::tcp::Law;
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config, Engine};
use sockhop_hosted::lab::Tape;
use sockhop_hosted::{sim, tun};
use std::os::fd::AsRawFd;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, mode] = arguments.as_slice() else {
        eprintln!("usage: opener PORT first|second");
        std::process::exit(2);
    };
    let host = SocketAddr::from(([198, 18, 0, 1], port.parse().expect("a port")));
    let config = tun::Config { name: None, addresses: vec![(host.ip(), 30)], mtu: 1_500, offload: true };
    let mut tun = tun::Tun::open(&config).expect("a TUN device");
    let (mut poll, mut events) = (Poll::new().expect("epoll works"), Events::with_capacity(8));
    poll.registry()
        .register(&mut SourceFd(&tun.as_raw_fd()), Token(0), Interest::READABLE)
        .expect("it is pollable");
    let here = SocketAddr::from(([198, 18, 0, 2], 0));
    let mut config = Config::new(vec![(here.ip(), 30)], 1_500, [11, 12]);
    config.two_msl = Duration::from_secs(1);
    config.offload = true;
    let mut engine = Engine::new(config, Tape::default());
    let began = std::time::Instant::now();
    let now = || Instant::from_micros(u64::try_from(began.elapsed().as_micros()).unwrap_or(0));
    let flow = engine.connect(now(), here, host).expect("there is room");
    let (mut said, mut ended, mut packet) = (false, false, vec![0; tun::LONGEST]);
    while engine.load().flows + engine.load().time_wait > 0 {
        while engine.next_event().is_some() {}
        if let Some(mut socket) = engine.stream(flow).filter(|_| !ended) {
            if !said {
                said = socket.with_space(|space| (3, space[..3].copy_from_slice(b"hi\n"))).is_ok();
                if said && mode == "first" {
                    socket.close();
                }
            }
            ended = loop {
                match socket.with_received(|octets| (octets.len(), ())) {
                    Ok(Some(())) => {}
                    Ok(None) => break true,
                    Err(nb::Error::WouldBlock) => break false,
                    Err(nb::Error::Other(how)) => panic!("{how}"),
                }
            };
            if ended {
                socket.close();
                engine.release(flow);
            }
        }
        engine.flush(now(), &mut tun);
        let wait = engine.poll_at().map(|at| at.since(now()).max(Duration::from_millis(1)));
        poll.poll(&mut events, wait).expect("poll works");
        while tun.receive(now(), &mut engine, &mut packet).expect("the device can be read") {}
    }
    let path: Vec<String> = sim::path(engine.sink()).iter().map(ToString::to_string).collect();
    println!("path {}", path.join(" "));
    // TIME-WAIT is a second here, so that nobody waits for it.
    println!("law {:?}", sim::violations(engine.sink()).find(|found| found.law != Law::TwoMsl));
}
