//! `/metrics` and `/healthz`: one request at a time, each within two seconds and 4 KiB (RFC 9112).

use super::board::Board;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

/// How long a request may take to come and its answer to leave.
const REQUEST: Duration = Duration::from_secs(2);
/// How long the loop may take; one that turns at all does so in milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Octets of a request.
const LARGEST: usize = 4_096;

/// Answers at a listener, on a thread of its own, with what is on the board.
///
/// # Errors
/// The host's.
pub fn serve(listener: TcpListener, board: Board) -> io::Result<()> {
    listener.set_nonblocking(false)?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            match stream {
                // Whoever breaks off has only himself to blame.
                Ok(stream) => drop(answer(stream, &board)),
                // Without descriptors there is nothing to do for a while.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream, board: &Board) -> io::Result<()> {
    let until = Instant::now() + REQUEST;
    let mut request = Vec::new();
    let mut room = [0; 1_024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < LARGEST {
        let left = until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut room)? {
            0 => break,
            count => request.extend(&room[..count]),
        }
        if left.is_zero() {
            return Ok(());
        }
    }
    let (status, kind, body) = respond(&request, board);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(REQUEST))?;
    stream.write_all(head.as_bytes())?;
    if !request.starts_with(b"HEAD ") {
        stream.write_all(body.as_bytes())?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

/// Returns a status, a content type and a body.
fn respond(request: &[u8], board: &Board) -> (&'static str, &'static str, String) {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let line = request.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return ("400 Bad Request", PLAIN, "this is no HTTP/1.1 request\n".to_owned());
    }
    if !matches!(method, "GET" | "HEAD") {
        return ("405 Method Not Allowed", PLAIN, "there is only GET and HEAD here\n".to_owned());
    }
    let stuck = || ("503 Service Unavailable", PLAIN, "the loop has not turned for a second\n".to_owned());
    match target.split('?').next().unwrap_or_default() {
        "/metrics" => board.read(PATIENCE).map_or_else(stuck, |numbers| {
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", numbers.page())
        }),
        "/healthz" => match board.read(PATIENCE) {
            None => stuck(),
            Some(numbers) if numbers.draining => {
                ("503 Service Unavailable", PLAIN, "draining: nobody new is served\n".to_owned())
            }
            Some(_) => ("200 OK", PLAIN, "ok\n".to_owned()),
        },
        _ => ("404 Not Found", PLAIN, "there is /metrics and /healthz\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Numbers;
    use mio::{Events, Poll, Token, Waker};
    use std::sync::Arc;

    fn status(request: &str, board: &Board) -> &'static str {
        respond(request.as_bytes(), board).0
    }

    #[test]
    fn what_is_no_request_for_a_page_is_told_so() {
        let board = Board::default();
        assert_eq!(status("", &board), "400 Bad Request");
        assert_eq!(status("GET /metrics\r\n", &board), "400 Bad Request");
        assert_eq!(status("POST /metrics HTTP/1.1\r\n", &board), "405 Method Not Allowed");
        assert_eq!(status("GET / HTTP/1.1\r\n", &board), "404 Not Found");
        assert_eq!(
            status("GET /healthz HTTP/1.1\r\n", &board),
            "503 Service Unavailable",
            "there is no loop"
        );
    }

    #[test]
    fn a_loop_that_turns_is_healthy_until_it_drains() {
        let mut poll = Poll::new().unwrap();
        let board = Board::default();
        board.rouse_by(Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()));
        let reader = board.clone();
        let asked = thread::spawn(move || {
            ["/healthz", "/metrics", "/healthz"]
                .map(|page| respond(format!("GET {page} HTTP/1.1\r\n").as_bytes(), &reader))
        });
        for draining in [false, false, true] {
            let mut events = Events::with_capacity(1);
            while !board.is_wanted() {
                poll.poll(&mut events, None).unwrap();
            }
            board.post(Numbers { draining, ..Numbers::default() });
        }
        let [healthy, numbers, draining] = asked.join().unwrap();
        assert_eq!((healthy.0, healthy.2.as_str()), ("200 OK", "ok\n"));
        assert!(numbers.0 == "200 OK" && numbers.2.contains("\nsockhop_sessions 0\n"));
        assert_eq!(draining.0, "503 Service Unavailable");
    }
}
