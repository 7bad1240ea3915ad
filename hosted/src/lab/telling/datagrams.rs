//! Datagrams as pictures: when each message arrived, and who asked whom.

use super::{item, many, seconds};
use crate::lab::{Flight, Message, Outcome, Traffic};
use crate::ladder::Style;
use core::fmt::Write as _;
use core::time::Duration;

/// Colours, as parameters of the escape sequence SGR.
const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// The least columns of a picture, and the most.
const COLUMNS: (usize, usize) = (72, 110);

fn columns(style: Style) -> usize {
    if style.columns == 0 { COLUMNS.1 } else { style.columns.clamp(COLUMNS.0, COLUMNS.1) }
}

/// Draws when each message was sent and when it arrived, over TCP on the left and over UDP on the right.
pub(super) fn race(out: &mut String, messages: &[Message], outcome: &Outcome, udp: Traffic, style: Style) {
    let wide = (columns(style) - 9) / 2;
    let arrivals = |message: &Message| message.tcp.into_iter().chain(message.udp.iter().copied()).max();
    let last = messages.iter().filter_map(arrivals).max().unwrap_or_default();
    let scale = Scale { wide: wide - 2, last: last + last / 20 };
    let _ = writeln!(out, "{:>4}  {:<wide$} {:<wide$}", "", "TCP", "UDP");
    let axis = style.ink(DIM, &scale.axis());
    let _ = writeln!(out, "{:>4} │{axis}│{axis}│", "");
    for (number, message) in messages.iter().enumerate() {
        let tcp: Vec<_> = message.tcp.iter().map(|at| (*at, '●', GREEN)).collect();
        // What comes behind a later one comes out of its turn.
        let mut udp: Vec<_> = message.udp.iter().map(|at| (*at, '◆', YELLOW)).collect();
        let overtaken =
            |at: &Duration| messages[number + 1..].iter().any(|other| other.udp.iter().any(|then| then < at));
        if let Some(first) = udp.first_mut().filter(|(at, ..)| !overtaken(at)) {
            *first = (first.0, '●', GREEN);
        }
        let (left, right) = (scale.row(message.sent, &tcp, style), scale.row(message.sent, &udp, style));
        let _ = writeln!(out, "{:>4} │{left}│{right}│", number + 1);
    }
    let signs = [
        ("", "○ sent  "),
        (GREEN, "● arrived  "),
        (YELLOW, "◆ out of its turn, or again  "),
        (RED, "✗ never"),
    ];
    let signs: String = signs
        .iter()
        .map(|(colour, text)| if colour.is_empty() { (*text).to_owned() } else { style.ink(colour, text) })
        .collect();
    let _ = writeln!(out, "{:>4}  {signs}\n", "");
    table(out, messages, outcome.traffic, udp);
    let _ = writeln!(out);
}

/// A stretch of time over so many columns.
struct Scale {
    wide: usize,
    last: Duration,
}

impl Scale {
    fn place(&self, at: Duration) -> usize {
        let place = at.as_micros() * (self.wide as u128 - 1) / self.last.as_micros().max(1);
        usize::try_from(place).unwrap_or(0).min(self.wide - 1)
    }

    /// Returns a line with a mark at each half second.
    fn axis(&self) -> String {
        let mut line: Vec<char> = vec!['·'; self.wide];
        for half in 0.. {
            let at = Duration::from_millis(500) * half;
            let label = format!("{:.1} s", at.as_secs_f64());
            let place = self.place(at);
            if at > self.last || place + label.len() > self.wide {
                break;
            }
            for (room, letter) in line[place..].iter_mut().zip(label.chars()) {
                *room = letter;
            }
        }
        format!(" {} ", line.into_iter().collect::<String>())
    }

    /// Returns a message's row: when it was sent, and each time it arrived with a sign and its colour.
    fn row(&self, sent: Duration, arrivals: &[(Duration, char, &str)], style: Style) -> String {
        let from = self.place(sent);
        let mut cells: Vec<(char, &str)> = vec![(' ', ""); self.wide];
        let end = arrivals.iter().map(|(at, ..)| self.place(*at)).max();
        for cell in &mut cells[from..end.unwrap_or(from)] {
            *cell = ('─', DIM);
        }
        cells[from] = ('○', "");
        for (at, sign, colour) in arrivals {
            // Two arrivals in one column stand side by side.
            let free = |place: &usize| *place > from && !matches!(cells[*place].0, '●' | '◆');
            let place = (self.place(*at)..self.wide).find(free).unwrap_or(self.wide - 1);
            cells[place] = (*sign, colour);
        }
        if arrivals.is_empty() && from + 2 < self.wide {
            cells[from + 2] = ('✗', RED);
        }
        let drawn: String = cells
            .iter()
            .map(
                |(sign, colour)| {
                    if colour.is_empty() { sign.to_string() } else { style.ink(colour, &sign.to_string()) }
                },
            )
            .collect();
        format!(" {drawn} ")
    }
}

/// Writes what both came to, side by side.
fn table(out: &mut String, messages: &[Message], tcp: (Traffic, Traffic), udp: Traffic) {
    let arrived: Vec<&Message> = messages.iter().filter(|message| !message.udp.is_empty()).collect();
    let copies: usize = arrived.iter().map(|message| message.udp.len() - 1).sum();
    let in_turn = |times: Vec<Duration>| {
        let late =
            times.iter().enumerate().filter(|(at, time)| times[at + 1..].iter().any(|next| next < time));
        late.count()
    };
    let by_tcp: Vec<Duration> = messages.iter().filter_map(|message| message.tcp).collect();
    let by_udp: Vec<Duration> = arrived.iter().map(|message| message.udp[0]).collect();
    let delay = |took: Vec<Duration>| {
        let mean = took.iter().sum::<Duration>() / u32::try_from(took.len().max(1)).unwrap_or(1);
        format!(
            "{:.0} ms, {:.0} ms",
            1e3 * mean.as_secs_f64(),
            1e3 * took.iter().max().copied().unwrap_or_default().as_secs_f64()
        )
    };
    let took = |time: Option<Duration>, message: &Message| time.map(|time| time.saturating_sub(message.sent));
    let rows = [
        ("messages sent".to_owned(), messages.len().to_string(), messages.len().to_string()),
        ("arrived".to_owned(), by_tcp.len().to_string(), arrived.len().to_string()),
        ("arrived again".to_owned(), "0".to_owned(), copies.to_string()),
        ("behind a later one".to_owned(), in_turn(by_tcp).to_string(), in_turn(by_udp).to_string()),
        (
            "on the way: mean, longest".to_owned(),
            delay(messages.iter().filter_map(|message| took(message.tcp, message)).collect()),
            delay(
                messages.iter().filter_map(|message| took(message.udp.first().copied(), message)).collect(),
            ),
        ),
        (
            "packets there, back".to_owned(),
            format!("{}, {}", tcp.0.packets, tcp.1.packets),
            format!("{}, 0", udp.packets),
        ),
        ("of these lost".to_owned(), format!("{}, {}", tcp.0.lost, tcp.1.lost), format!("{}, 0", udp.lost)),
        (
            "octets, headers included".to_owned(),
            (tcp.0.octets + tcp.1.octets).to_string(),
            udp.octets.to_string(),
        ),
    ];
    let _ = writeln!(out, "{:<28}{:>16}{:>16}", "", "TCP", "UDP");
    for (what, tcp, udp) in rows {
        let _ = writeln!(out, "{what:<28}{tcp:>16}{udp:>16}");
    }
}

/// Draws the datagrams between a server and its clients, a lane for each.
pub(super) fn echo(out: &mut String, clients: &[&str], flights: &[Flight], style: Style) {
    let lane = (columns(style) - 44) / clients.len().max(1);
    let mut head = format!("{:>8} ", "time");
    for name in clients {
        let _ = write!(head, "{name:<lane$}");
    }
    let _ = writeln!(out, "{head}{:>30}", "server, port 7");
    let mut sorted: Vec<&Flight> = flights.iter().collect();
    sorted.sort_by_key(|flight| flight.left);
    for flight in sorted {
        let clock = style.ink(DIM, &format!("{:>8.3}", flight.left.as_secs_f64()));
        let _ = writeln!(out, "{clock} {}", row(flight, clients.len(), lane, style));
    }
    let _ = writeln!(out);
}

/// Tells what a server did, and what it had to know.
pub(super) fn count(
    out: &mut String,
    clients: &[&str],
    flights: &[Flight],
    connections: usize,
    style: Style,
) {
    let asked = flights.iter().filter(|flight| flight.asks).count();
    let knew = if connections == 0 { "no connection".to_owned() } else { many(connections, "connection") };
    let from = many(clients.len(), "client");
    let text = format!("{} of {from} at one port; its stack knew {knew}", many(asked, "question"));
    item(out, Some("server"), &text, style);
    let first = first_answer(flights).map_or("never".to_owned(), seconds);
    let name = clients.first().unwrap_or(&"");
    item(out, Some(name), &format!("has its first answer {first} after it has asked"), style);
}

/// Returns how long the first client waited for its first answer.
fn first_answer(flights: &[Flight]) -> Option<Duration> {
    let asked = flights.iter().find(|flight| flight.asks && flight.client == 0)?;
    let same = |flight: &&Flight| !flight.asks && flight.client == 0 && flight.text == asked.text;
    flights.iter().find(same)?.arrived?.checked_sub(asked.left)
}

/// Returns a datagram's row: it passes the lanes between its client and the server.
fn row(flight: &Flight, clients: usize, lane: usize, style: Style) -> String {
    let wide = lane * clients + 28;
    let colour = ["94", "38;5;208", "32", "35", "36"][flight.client % 5];
    let from = flight.client * lane;
    let mut line: Vec<char> = vec![' '; wide];
    for place in (0..clients).map(|client| client * lane) {
        line[place] = '│';
    }
    for (place, cell) in line.iter_mut().enumerate().skip(from) {
        *cell = if *cell == '│' && place > from { '┼' } else { '─' };
    }
    line[from] = if flight.asks { '├' } else { '│' };
    if flight.asks {
        line[wide - 1] = '▶';
    } else {
        line[from + 1] = '◀';
    }
    let text: Vec<char> = format!(" {} ", flight.text).chars().collect();
    // Between the last lane and the server, where every datagram passes.
    let begins = lane * (clients - 1) + (lane + 28 - text.len()) / 2;
    for (cell, letter) in line[begins..].iter_mut().zip(text) {
        *cell = letter;
    }
    let (before, after): (String, String) = (line[..from].iter().collect(), line[from..].iter().collect());
    format!("{before}{}{}", style.ink(colour, &after), if flight.asks { "│" } else { "┤" })
}
