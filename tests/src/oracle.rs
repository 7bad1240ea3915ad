//! smoltcp's own variables, read from its `Debug` output; slow, and bound to the version in `Cargo.toml`.

use sockhop::trace::{Ends, Line};
use sockhop_hosted::engine::{Engine, FlowId};
use sockhop_hosted::lab::Tape;

/// What was compared, and how often SND.WND alone differed.
#[derive(Debug, Default)]
pub struct Count {
    /// Comparisons made.
    pub compared: u64,
    /// Comparisons in which SND.WND alone differed.
    pub windows: u64,
}

/// Compares what the tracker knows of a connection with what smoltcp prints.
///
/// # Panics
/// They differ, or smoltcp prints its fields otherwise.
pub fn compare(engine: &Engine<Tape>, flow: FlowId, count: &mut Count) {
    let (Some(tracker), Some(text)) = (engine.tracker(flow), engine.debug(flow)) else { return };
    let state = engine.state(flow);
    if !text.contains("state: Established") && !text.contains("Wait") && !text.contains("LastAck") {
        return;
    }
    let una = field(&text, "local_seq_no: SeqNumber(");
    let nxt = field(&text, "remote_last_seq: SeqNumber(");
    let rcv = field(&text, "remote_seq_no: SeqNumber(");
    let wnd = field(&text, "remote_win_len: ");
    count.compared += 1;
    let story = || format!("{}\n{}", last_lines(engine.sink()), without_rings(&text));
    assert_eq!(tracker.snd_una().0, una, "SND.UNA in {state} after\n{}", story());
    assert_eq!(tracker.snd_nxt().0, nxt, "SND.NXT in {state} after\n{}", story());
    let queued = rcv.wrapping_add(length(&text));
    assert_eq!(tracker.rcv_nxt().0, queued, "RCV.NXT in {state} after\n{}", story());
    count.windows += u64::from(tracker.snd_wnd() != wnd);
}

/// Returns the number behind this part of smoltcp's output, as 32 bits.
fn field(text: &str, part: &str) -> u32 {
    let at = text.find(part).unwrap_or_else(|| panic!("smoltcp prints no {part:?} any more: {text}"));
    let rest = &text[at + part.len()..];
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '-').unwrap_or(rest.len());
    let number: i64 =
        rest[..end].parse().unwrap_or_else(|_| panic!("{part:?} is no number: {}", &rest[..end]));
    u32::try_from(number & 0xffff_ffff).expect("masked to 32 bits")
}

/// Returns smoltcp's output without the octets of its rings.
fn without_rings(text: &str) -> String {
    text.split("Owned([")
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once("])").map_or(part, |(_, rest)| rest) })
        .collect()
}

/// Returns how many octets wait in the receive ring.
fn length(text: &str) -> u32 {
    let ring = text.split("rx_buffer: ").nth(1).expect("smoltcp prints its rx_buffer");
    field(ring, "length: ")
}

/// Returns what an end saw last, a line for each event.
fn last_lines(tape: &Tape) -> String {
    let mut ends = Ends::new();
    let mut lines = vec![];
    for event in &tape.0 {
        ends.learn(event);
        lines.push(Line(event, &ends).to_string());
    }
    lines.split_off(lines.len().saturating_sub(20)).join("\n")
}
