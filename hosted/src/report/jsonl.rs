//! JSON Lines: a header, then an object for each event, both ways.

use super::{Trace, Unreadable, Writer};
use core::net::{Ipv4Addr, Ipv6Addr};
use serde_json::{Map, Value};
use sockhop::tcp::{Cause, Flags, Law, Marks, Rule, Seq, State};
use sockhop::time::Instant;
use sockhop::trace::{Call, Event, Header, Hold, Json, Tick, Timer, View};
use std::io::{self, Write};

/// The version in the first line.
const VERSION: u64 = 1;

/// Writes a line for each event.
pub(super) struct Lines;

impl Lines {
    pub(super) fn begin(header: &Header, out: &mut dyn Write) -> io::Result<Self> {
        let (node, unix, ring) = (Value::from(header.node()), header.unix, header.ring);
        writeln!(out, "{{\"sockhop_trace\":{VERSION},\"node\":{node},\"unix\":{unix},\"ring\":{ring}}}")?;
        Ok(Self)
    }
}

impl Writer for Lines {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", Json(event))
    }
}

/// Reads a file of lines.
pub(super) fn read(text: &str) -> Result<Trace, Unreadable> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let first = lines.next().and_then(|(_, line)| serde_json::from_str::<Map<String, Value>>(line).ok());
    let head = first.filter(|head| head.contains_key("sockhop_trace")).ok_or(Unreadable::NoTrace)?;
    let head = Fields(&head);
    let version = head.number("sockhop_trace").unwrap_or(0);
    if version != VERSION {
        return Err(Unreadable::Version(u16::try_from(version).unwrap_or(u16::MAX)));
    }
    let (unix, ring) = (head.number("unix").unwrap_or(0), head.number("ring").unwrap_or(0));
    let header = Header::new(head.text("node").unwrap_or(""), unix, u32::try_from(ring).unwrap_or(0));
    let mut trace = Trace { header, ..Trace::default() };
    let mut lines = lines.peekable();
    while let Some((at, line)) = lines.next() {
        match event(line) {
            Ok(event) => trace.events.push(event),
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {
                trace.remark = Some(format!("the file ends within line {}", at + 1));
            }
            Err(why) => return Err(Unreadable::Line { number: at + 1, why }),
        }
    }
    Ok(trace)
}

/// Reads an event.
fn event(line: &str) -> Result<Event, String> {
    let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let fields = Fields(&object);
    let name = fields.text("event").ok_or("there is no field \"event\"")?;
    let event = if name == "other" { other(&fields) } else { view(name, &fields).map(Event::of) };
    let event =
        event.ok_or_else(|| format!("an event {name:?} has other fields than these, or is not known"))?;
    let place = (fields.word("serial"), fields.word("flow"), fields.number("time"));
    let (Some(serial), Some(flow), Some(time)) = place else {
        return Err("serial, flow or time is missing".into());
    };
    Ok(event.at(serial, flow, Instant::from_micros(time)))
}

/// Reads an event of a kind that was not known to whoever wrote it.
fn other(fields: &Fields<'_>) -> Option<Event> {
    let mut octets = [0; 32];
    for (place, name) in octets.chunks_exact_mut(4).zip(["p0", "p1", "p2", "p3"]) {
        place.copy_from_slice(&fields.word(name)?.to_le_bytes());
    }
    (octets[30], octets[31]) = (fields.octet("kind")?, fields.octet("sub")?);
    Some(Event::decode(&octets))
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind")]
fn view(name: &str, fields: &Fields<'_>) -> Option<View> {
    Some(match name {
        "opened" => View::Opened {
            active: fields.truth("active")?,
            ports: (fields.half("local_port")?, fields.half("remote_port")?),
            addresses: fields.four("local").zip(fields.four("remote")),
        },
        "address" => View::Address {
            local: fields.truth("ours")?,
            address: fields.text("address")?.parse::<Ipv6Addr>().ok()?,
        },
        "clock" => View::Clock { unix: fields.number("unix")? },
        "lost" => View::Lost { events: fields.word("events")? },
        "snapshot" => View::Snapshot {
            state: fields.state("state")?,
            origins: (fields.seq("iss"), fields.seq("irs")),
            scales: (fields.octet("our_scale"), fields.octet("their_scale")),
            fins: (fields.truth("fin_sent")?, fields.truth("fin_taken")?),
        },
        "edges" => View::Edges {
            granted: fields.seq("granted"),
            advertised: fields.seq("advertised"),
            heard: fields.seq("heard"),
        },
        "segment_sent" | "segment_received" => View::Segment {
            sent: name == "segment_sent",
            flags: Flags(fields.octet("flags")?),
            seq: fields.seq("seq")?,
            ack: fields.seq("ack")?,
            len: fields.half("len")?,
            window: fields.half("window")?,
            states: (fields.state("from")?, fields.state("to")?),
            marks: Marks(fields.half("marks")?),
        },
        "sacked" => View::Sacked {
            sent: fields.truth("sent")?,
            blocks: [
                fields.seq("left").zip(fields.seq("right")),
                fields.seq("left2").zip(fields.seq("right2")),
            ],
        },
        "options" => View::Options {
            sent: fields.truth("sent")?,
            mss: fields.half("mss"),
            scale: fields.octet("scale"),
        },
        "dropped" => {
            View::Dropped { why: fields.octet("why")?, seq: fields.seq("seq")?, len: fields.word("len")? }
        }
        "state" => View::State {
            from: fields.state("from")?,
            cause: fields.named("cause", &Cause::ALL)?,
            to: fields.state("to")?,
            una: fields.seq("una")?,
            rcv_nxt: fields.seq("rcv_nxt")?,
        },
        "guarded" => View::Guarded {
            rule: fields.named("rule", &Rule::ALL)?,
            outward: fields.truth("outward")?,
            una: fields.seq("una")?,
            edge: fields.seq("edge")?,
        },
        "vars" => View::Vars {
            una: fields.seq("una")?,
            nxt: fields.seq("nxt")?,
            rcv_nxt: fields.seq("rcv_nxt")?,
            snd_wnd: fields.word("snd_wnd")?,
        },
        "queues" => View::Queues {
            unsent: fields.word("unsent")?,
            unread: fields.word("unread")?,
            rcv_wnd: fields.word("rcv_wnd")?,
            flight: fields.word("flight")?,
        },
        "timer" => View::Timer {
            timer: fields.named("timer", Timer::ALL)?,
            tick: fields.named("tick", Tick::ALL)?,
            due: Instant::from_micros(fields.number("due")?),
            backoff: fields.word("backoff")?,
        },
        "call" => View::Call {
            call: fields.named("call", Call::ALL)?,
            asked: fields.word("asked")?,
            done: fields.word("done")?,
        },
        "blocked" => View::Blocked {
            on: fields.truth("on")?,
            why: fields.named("why", Hold::ALL)?,
            waiting: fields.word("waiting")?,
            micros: fields.word("micros")?,
        },
        "datagram_sent" | "datagram_received" => View::Datagram {
            sent: name == "datagram_sent",
            ports: (fields.half("local_port")?, fields.half("remote_port")?),
            remote: fields.four("remote"),
            len: fields.half("len")?,
        },
        "icmp" => View::Icmp {
            six: fields.truth("six")?,
            kind: fields.octet("type")?,
            code: fields.octet("code")?,
            word: fields.word("word")?,
            ports: (fields.half("from_port")?, fields.half("to_port")?),
        },
        "app" => View::App {
            machine: fields.octet("machine")?,
            states: (fields.octet("before")?, fields.octet("after")?),
            reply: fields.octet("reply")?,
        },
        "transfer" => View::Transfer {
            sending: fields.truth("sending")?,
            states: (fields.octet("before")?, fields.octet("after")?),
            done: fields.number("done")?,
            total: fields.number("total")?,
        },
        "verdict" => View::Verdict {
            law: Law::from_u8(fields.octet("law")?)?,
            accused: fields.word("accused")?,
            found: (fields.word("found")?, fields.word("bound")?),
        },
        "ended" => View::Ended { received: fields.number("received")?, sent: fields.number("sent")? },
        _ => return None,
    })
}

/// The fields of an object; what is missing or of another kind is `None`.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    fn word(&self, name: &str) -> Option<u32> {
        self.number(name)?.try_into().ok()
    }

    fn half(&self, name: &str) -> Option<u16> {
        self.number(name)?.try_into().ok()
    }

    fn octet(&self, name: &str) -> Option<u8> {
        self.number(name)?.try_into().ok()
    }

    fn truth(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    fn seq(&self, name: &str) -> Option<Seq> {
        self.word(name).map(Seq)
    }

    fn four(&self, name: &str) -> Option<Ipv4Addr> {
        self.text(name)?.parse().ok()
    }

    fn state(&self, name: &str) -> Option<State> {
        self.named(name, &State::ALL)
    }

    /// Returns the one of `all` that prints as the field says.
    fn named<T: Copy + core::fmt::Display>(&self, name: &str, all: &[T]) -> Option<T> {
        let text = self.text(name)?;
        all.iter().find(|one| one.to_string() == text).copied()
    }
}
