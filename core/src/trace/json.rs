//! One event as one line of JSON: a flat object whose fields say everything that the octets say.

use super::{App, Drop, Event, View};
use core::fmt::{self, Display, Write};

/// An event as a JSON object without a line break: `serial`, `flow`, `time` in microseconds, `event` for its kind, and
/// the fields of that kind. Numbers of sequence are the wire's.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub &'a Event);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Json(event) = self;
        let (serial, flow, time) = (event.serial(), event.flow(), event.time().micros());
        write!(f, "{{\"serial\":{serial},\"flow\":{flow},\"time\":{time},\"event\":")?;
        let mut fields = Fields(f);
        match event.view() {
            Some(view) => fields.view(view)?,
            None => {
                let (kind, sub, [p0, p1, p2, p3]) = event.parts();
                fields.kind("other")?.number("kind", kind)?.number("sub", sub)?;
                fields.number("p0", p0)?.number("p1", p1)?.number("p2", p2)?.number("p3", p3)?;
            }
        }
        f.write_char('}')
    }
}

/// Writes one field after the other.
struct Fields<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Fields<'_, '_> {
    fn kind(&mut self, name: &str) -> Result<&mut Self, fmt::Error> {
        write!(self.0, "\"{name}\"").map(|()| self)
    }

    /// Adds a number or a truth value, which JSON writes as they are.
    fn number(&mut self, name: &str, value: impl Display) -> Result<&mut Self, fmt::Error> {
        write!(self.0, ",\"{name}\":{value}").map(|()| self)
    }

    /// Adds a word of ours, in which nothing has to be escaped.
    fn word(&mut self, name: &str, value: impl Display) -> Result<&mut Self, fmt::Error> {
        write!(self.0, ",\"{name}\":\"{value}\"").map(|()| self)
    }

    fn known(&mut self, name: &str, value: Option<impl Display>) -> Result<&mut Self, fmt::Error> {
        match value {
            Some(value) => self.number(name, value),
            None => Ok(self),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind")]
    fn view(&mut self, view: View) -> fmt::Result {
        match view {
            View::Opened { active, ports, addresses } => {
                self.kind("opened")?.number("active", active)?;
                self.number("local_port", ports.0)?.number("remote_port", ports.1)?;
                if let Some((local, remote)) = addresses {
                    self.word("local", local)?.word("remote", remote)?;
                }
            }
            View::Address { local, address } => {
                self.kind("address")?.number("ours", local)?.word("address", address)?;
            }
            View::Clock { unix } => drop(self.kind("clock")?.number("unix", unix)?),
            View::Lost { events } => drop(self.kind("lost")?.number("events", events)?),
            View::Snapshot { state, origins, scales, fins } => {
                self.kind("snapshot")?.word("state", state)?;
                self.known("iss", origins.0)?.known("irs", origins.1)?;
                self.known("our_scale", scales.0)?.known("their_scale", scales.1)?;
                self.number("fin_sent", fins.0)?.number("fin_taken", fins.1)?;
            }
            View::Edges { granted, advertised, heard } => {
                self.kind("edges")?.known("granted", granted)?;
                self.known("advertised", advertised)?.known("heard", heard)?;
            }
            View::Segment { sent, flags, seq, ack, len, window, states, marks } => {
                self.kind(if sent { "segment_sent" } else { "segment_received" })?;
                self.number("flags", flags.0)?.word("flag_names", flags)?;
                self.number("seq", seq)?.number("ack", ack)?.number("len", len)?.number("window", window)?;
                self.word("from", states.0)?.word("to", states.1)?;
                self.number("marks", marks.0)?.word("mark_names", marks)?;
            }
            View::Sacked { sent, blocks: [first, second] } => {
                self.kind("sacked")?.number("sent", sent)?;
                self.known("left", first.map(|block| block.0))?.known("right", first.map(|block| block.1))?;
                self.known("left2", second.map(|block| block.0))?;
                self.known("right2", second.map(|block| block.1))?;
            }
            View::Options { sent, mss, scale } => {
                self.kind("options")?.number("sent", sent)?.known("mss", mss)?.known("scale", scale)?;
            }
            View::Dropped { why, seq, len } => {
                self.kind("dropped")?.number("why", why)?;
                self.word("reason", Drop::from_u8(why).map_or("", Drop::name))?;
                self.number("seq", seq)?.number("len", len)?;
            }
            View::State { from, cause, to, una, rcv_nxt } => {
                self.kind("state")?.word("from", from)?.word("cause", cause)?.word("to", to)?;
                self.number("una", una)?.number("rcv_nxt", rcv_nxt)?;
            }
            View::Guarded { rule, outward, una, edge } => {
                self.kind("guarded")?.word("rule", rule)?.number("outward", outward)?;
                self.number("una", una)?.number("edge", edge)?;
            }
            View::Vars { una, nxt, rcv_nxt, snd_wnd } => {
                self.kind("vars")?.number("una", una)?.number("nxt", nxt)?;
                self.number("rcv_nxt", rcv_nxt)?.number("snd_wnd", snd_wnd)?;
            }
            View::Queues { unsent, unread, rcv_wnd, flight } => {
                self.kind("queues")?.number("unsent", unsent)?.number("unread", unread)?;
                self.number("rcv_wnd", rcv_wnd)?.number("flight", flight)?;
            }
            View::Timer { timer, tick, due, backoff } => {
                self.kind("timer")?.word("timer", timer)?.word("tick", tick)?;
                self.number("due", due.micros())?.number("backoff", backoff)?;
            }
            View::Call { call, asked, done } => {
                self.kind("call")?.word("call", call)?.number("asked", asked)?.number("done", done)?;
            }
            View::Blocked { on, why, waiting, micros } => {
                self.kind("blocked")?.number("on", on)?.word("why", why)?;
                self.number("waiting", waiting)?.number("micros", micros)?;
            }
            View::Datagram { sent, ports, remote, len } => {
                self.kind(if sent { "datagram_sent" } else { "datagram_received" })?;
                self.number("local_port", ports.0)?.number("remote_port", ports.1)?.number("len", len)?;
                if let Some(remote) = remote {
                    self.word("remote", remote)?;
                }
            }
            View::Icmp { six, kind, code, word, ports } => {
                self.kind("icmp")?.number("six", six)?.number("type", kind)?.number("code", code)?;
                self.number("word", word)?;
                self.number("from_port", ports.0)?.number("to_port", ports.1)?;
            }
            View::App { machine, states, reply } => {
                self.kind("app")?.number("machine", machine)?;
                self.number("before", states.0)?.number("after", states.1)?.number("reply", reply)?;
                if let Some(app) = App::from_u8(machine) {
                    write!(self.0, ",\"name\":\"{app} ")?;
                    app.write_state(states.1, self.0)?;
                    self.0.write_char('"')?;
                }
            }
            View::Transfer { sending, states, done, total } => {
                self.kind("transfer")?.number("sending", sending)?;
                self.number("before", states.0)?.number("after", states.1)?;
                self.number("done", done)?.number("total", total)?;
            }
            View::Verdict { law, accused, found } => {
                self.kind("verdict")?.number("law", law as u8)?.word("text", law)?;
                self.word("section", law.section())?.number("accused", accused)?;
                self.number("found", found.0)?.number("bound", found.1)?;
            }
            View::Ended { received, sent } => {
                self.kind("ended")?.number("received", received)?.number("sent", sent)?;
            }
        }
        Ok(())
    }
}
