//! Little at a time: how long an opening and a round trip take, and how many fit in a second.

use crate::{ECHO, Load};
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Bulk has begun once so many octets have moved.
const BEGUN: u64 = 32 << 20;

impl Load {
    /// Opens, uses and closes `each` connections on each thread.
    pub(super) fn rate(&self, each: u64) -> io::Result<String> {
        let began = Instant::now();
        let outcomes = self.each(|| {
            let (mut failed, mut opened, mut used) = (0, Vec::new(), Vec::new());
            for _ in 0..each {
                let began = Instant::now();
                let open = self.connect();
                opened.push(began.elapsed());
                let first = open.and_then(|mut stream| {
                    stream.write_all(&[ECHO, b'x'])?;
                    stream.read_exact(&mut [0])
                });
                used.push(began.elapsed());
                failed += u64::from(first.is_err());
            }
            Ok((failed, opened, used))
        });
        let lasted = began.elapsed().as_secs_f64();
        let (mut failed, mut opened, mut used) = (0, Vec::new(), Vec::new());
        for outcome in outcomes {
            let (missed, first, rest) = outcome?;
            failed += missed;
            opened.extend(first);
            used.extend(rest);
        }
        let rate = (used.len() as u64 - failed) as f64 / lasted;
        let (opened, used) = (Times::of(opened), Times::of(used));
        Ok(format!(
            "{{\"connections_per_second\":{rate:.0},\"failed\":{failed},\"handshake_us\":{:.1},\"first_octet_us\":{:.1},\
             \"first_octet_p99_us\":{:.1}}}",
            opened.at(50),
            used.at(50),
            used.at(99)
        ))
    }

    /// Sends an octet and waits for it, `each` times on each connection.
    pub(super) fn ping(&self, each: u64) -> io::Result<String> {
        let outcomes = self.each(|| echoes(&mut self.open(ECHO)?, each));
        let times = outcomes.into_iter().collect::<io::Result<Vec<_>>>()?.concat();
        let times = Times::of(times);
        Ok(format!("{{\"median_us\":{:.1},\"p99_us\":{:.1}}}", times.at(50), times.at(99)))
    }

    /// Sends an octet and waits for it, `count` times alone and as often beside bulk on the load's connections.
    pub(super) fn beside(&self, up: bool, count: u64) -> io::Result<String> {
        let mut stream = self.open(ECHO)?;
        let alone = Times::of(echoes(&mut stream, count)?);
        let beside = self.busy(up, |under_way| {
            let began = Instant::now();
            while under_way.load(Ordering::Relaxed) < BEGUN && began.elapsed() < Duration::from_secs(1) {
                echoes(&mut stream, 1)?;
            }
            echoes(&mut stream, count)
        })?;
        let beside = Times::of(beside);
        Ok(format!(
            "{{\"alone_us\":{:.1},\"median_us\":{:.1},\"p99_us\":{:.1}}}",
            alone.at(50),
            beside.at(50),
            beside.at(99)
        ))
    }
}

fn echoes(stream: &mut TcpStream, count: u64) -> io::Result<Vec<Duration>> {
    (0..count)
        .map(|_| {
            let began = Instant::now();
            stream.write_all(b"x")?;
            stream.read_exact(&mut [0])?;
            Ok(began.elapsed())
        })
        .collect()
}

/// Times in order.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Returns what so many in a hundred stay below, in microseconds; 0 when nothing was measured.
    fn at(&self, percent: usize) -> f64 {
        let place = self.0.len().saturating_sub(1) * percent / 100;
        self.0.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}
