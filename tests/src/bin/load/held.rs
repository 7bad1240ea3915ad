//! Connections that are held, and octets that are compared.

use crate::{ECHO, HOPELESS, Load, ROOM, say};
use core::sync::atomic::{AtomicUsize, Ordering};
use sockhop_hosted::egress::memory::pattern;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

impl Load {
    /// Opens all connections by so many threads, uses each once, and holds them until standard input ends.
    pub(super) fn idle(&self, threads: u64) -> io::Result<String> {
        let began = Instant::now();
        let taken = AtomicUsize::new(0);
        let opening = Self {
            connections: usize::try_from(threads).map_err(io::Error::other)?,
            way: self.way,
            target: self.target,
        };
        let outcomes = opening.each(|| {
            let mut held: Vec<TcpStream> = Vec::new();
            while taken.fetch_add(1, Ordering::Relaxed) < self.connections {
                let mut stream = self.connect()?;
                stream.write_all(&[ECHO, b'x'])?;
                stream.read_exact(&mut [0])?;
                held.push(stream);
            }
            Ok(held)
        });
        let mut held: Vec<TcpStream> =
            outcomes.into_iter().collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect();
        let took = began.elapsed().as_secs_f64();
        say(&format!("{{\"opened\":{},\"seconds\":{took:.3}}}", held.len()));
        io::stdin().read_to_end(&mut Vec::new())?;
        let alive = held.iter_mut().filter_map(|stream| {
            stream.write_all(b"x").ok()?;
            stream.read_exact(&mut [0]).ok()
        });
        Ok(format!("{{\"alive\":{}}}", alive.count()))
    }

    /// Sends a pattern and compares what comes back, in both directions at once, with a half-close.
    pub(super) fn verify(&self, octets: u64) -> io::Result<String> {
        let outcomes = self.each(|| {
            let stream = self.open(ECHO)?;
            let mut writer = stream.try_clone()?;
            let writing = thread::spawn(move || {
                let mut at = 0;
                while at < octets {
                    let end = octets.min(at + ROOM as u64);
                    let piece: Vec<u8> = (at..end).map(pattern).collect();
                    writer.write_all(&piece)?;
                    at = end;
                }
                writer.shutdown(Shutdown::Write)
            });
            let (mut reader, mut room, mut heard, mut wrong) = (stream, vec![0; ROOM], 0, 0_u64);
            reader.set_read_timeout(Some(HOPELESS))?;
            loop {
                let count = reader.read(&mut room)?;
                if count == 0 {
                    break;
                }
                for octet in &room[..count] {
                    wrong += u64::from(*octet != pattern(heard));
                    heard += 1;
                }
            }
            writing.join().map_err(|_| io::Error::other("a thread panicked"))??;
            Ok(wrong + octets.abs_diff(heard))
        });
        let wrong: u64 = outcomes.into_iter().sum::<io::Result<u64>>()?;
        Ok(format!("{{\"octets\":{},\"wrong\":{wrong}}}", octets * self.connections as u64))
    }
}
