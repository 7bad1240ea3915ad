//! `tun-demo netstat`: the connections of a running proxy, in the columns that people know.

use crate::args::Netstat;
use crate::asking;
use crate::exit::Failure;
use core::net::SocketAddr;
use sockhop::tcp::State;
use sockhop_hosted::ladder::Style;
use sockhop_hosted::survey::{Flow, Snapshot, Wait};
use std::io::{IsTerminal, Write};

/// Goes to the upper left corner and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Prints the table once, or again and again.
pub(crate) fn run(options: &Netstat, out: &mut impl Write) -> Result<(), Failure> {
    let mut asked = asking::find(&options.which)?;
    let style = Style { colour: crate::colour(), whole: true, ..Style::default() };
    let clears = options.watch.is_some() && !options.json && std::io::stdout().is_terminal();
    loop {
        let snapshot = asked.snapshot().map_err(|error| asking::failed(&error))?;
        if clears {
            write!(out, "{CLEAR}")?;
        }
        if options.json {
            // Plain data with names for keys is always written.
            writeln!(out, "{}", serde_json::to_string(&snapshot).unwrap_or_default())?;
        } else {
            write!(out, "{}", table(&snapshot, style))?;
        }
        let Some(every) = options.watch else { return Ok(out.flush()?) };
        if !clears && !options.json {
            writeln!(out)?;
        }
        out.flush()?;
        std::thread::sleep(every);
    }
}

/// One line of the table.
struct Row {
    proto: &'static str,
    queues: (u64, u64),
    ends: [String; 2],
    state: Option<State>,
    timer: String,
    window: String,
    app: String,
}

/// Draws the table: listeners, connections, those in TIME-WAIT, and UDP ports.
fn table(snapshot: &Snapshot, style: Style) -> String {
    let mut rows: Vec<Row> = snapshot.listeners.iter().map(|at| listener(*at)).collect();
    rows.extend(snapshot.flows.iter().map(connection));
    rows.extend(snapshot.waits.iter().map(waiting));
    rows.extend(snapshot.ports.iter().map(|at| port(*at, snapshot)));
    let wide =
        |name: &str, text: &dyn Fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0).max(name.len());
    let ours = wide("Local Address", &|row| row.ends[0].len());
    let theirs = wide("Foreign Address", &|row| row.ends[1].len());
    let timer = wide("Timer", &|row| row.timer.len());
    let window = wide("In flight/window", &|row| row.window.len());
    let mut text = format!(
        "Proto Recv-Q Send-Q {:ours$} {:theirs$} {:12} {:timer$} {:window$} App\n",
        "Local Address", "Foreign Address", "State", "Timer", "In flight/window"
    );
    for row in &rows {
        let state = format!("{:12}", row.state.map_or("", State::name));
        let state = row.state.map_or_else(|| state.clone(), |of| style.paint(of, &state));
        text += &format!(
            "{:5} {:6} {:6} {:ours$} {:theirs$} {state} {:timer$} {:window$} {}",
            row.proto, row.queues.0, row.queues.1, row.ends[0], row.ends[1], row.timer, row.window, row.app
        );
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

const fn proto(at: SocketAddr, udp: bool) -> &'static str {
    match (at, udp) {
        (SocketAddr::V4(_), false) => "tcp",
        (SocketAddr::V6(_), false) => "tcp6",
        (SocketAddr::V4(_), true) => "udp",
        (SocketAddr::V6(_), true) => "udp6",
    }
}

fn listener(at: SocketAddr) -> Row {
    Row {
        proto: proto(at, false),
        queues: (0, 0),
        ends: [at.to_string(), "*:*".to_owned()],
        state: Some(State::Listen),
        timer: "-".to_owned(),
        window: "-".to_owned(),
        app: "socks".to_owned(),
    }
}

fn connection(flow: &Flow) -> Row {
    let window = flow.send.window.map_or_else(|| "?".to_owned(), |window| window.to_string());
    let blocked = if flow.send.is_blocked() { " blocked" } else { "" };
    Row {
        proto: proto(flow.local, false),
        queues: (flow.receive.unread, flow.send.queued),
        ends: [flow.local.to_string(), flow.remote.to_string()],
        state: Some(flow.state),
        timer: flow.timer.map_or_else(|| "-".to_owned(), |timer| timer.to_string()),
        window: format!("{}/{window}{blocked}", flow.send.in_flight),
        app: flow.doing(),
    }
}

fn waiting(wait: &Wait) -> Row {
    Row {
        proto: proto(wait.local, false),
        queues: (0, 0),
        ends: [wait.local.to_string(), wait.remote.to_string()],
        state: Some(State::TimeWait),
        timer: wait.timer().to_string(),
        window: "-".to_owned(),
        app: "closed by us".to_owned(),
    }
}

fn port(at: SocketAddr, snapshot: &Snapshot) -> Row {
    let named = format!("udp at {at}");
    let owner = snapshot
        .flows
        .iter()
        .find(|flow| flow.session.as_ref().is_some_and(|session| session.target == named));
    Row {
        proto: proto(at, true),
        queues: (0, 0),
        ends: [at.to_string(), "*:*".to_owned()],
        state: None,
        timer: "-".to_owned(),
        window: "-".to_owned(),
        app: owner.map_or_else(|| "-".to_owned(), |flow| format!("association of {}", flow.remote)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_where_netstat_has_them_and_hold_whatever_is_in_them() {
        let snapshot = asking::example();
        let drawn = table(&snapshot, Style { colour: false, whole: true, ..Style::default() });
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/netstat.txt");
        if std::env::var_os("SOCKHOP_GOLDEN").is_some() {
            std::fs::write(path, &drawn).unwrap();
        }
        assert_eq!(drawn, std::fs::read_to_string(path).unwrap(), "SOCKHOP_GOLDEN=1 writes it anew");
        let coloured = table(&snapshot, Style { colour: true, whole: true, ..Style::default() });
        assert!(coloured.contains("\x1b[32mESTABLISHED \x1b[0m"), "{coloured}");
    }
}
