//! `vouch status`: what the service is doing, once or again and again.

use crate::{
    call::{answer, ask},
    failure::Outcome,
    sessions::state,
    show::{Screen, age, date, escaped, size, span},
    signals::Signals,
};
use clap::Args;
use rustix::termios::tcgetwinsize;
use serde_json::{Value, json};
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::Duration,
};
use tokio::time::{sleep, timeout};
use vouch_client::{
    Client,
    protocol::{
        IdleKeeper, IdleStatus, LastError, Method, NoParams, RequestStatus, RootStatus,
        ServerStatus, ServerStatusResult, SessionStatus, TrustStatus,
    },
};

/// How often the service is asked.
const EACH: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Show it again every second, until interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,
}

pub(crate) async fn status(client: &Client, screen: &mut Screen) -> io::Result<Outcome> {
    let answered = ask::<ServerStatus>(client, NoParams {}).await;
    answer::<ServerStatus>(screen, answered, |screen, status: ServerStatusResult| {
        lines(&status)
            .into_iter()
            .try_for_each(|line| screen.text(line))
    })
}

/// Shows it again and again, until a signal ends it or nobody reads it any more.
pub(crate) async fn watch(socket: &Path, screen: &mut Screen) -> io::Result<Outcome> {
    let mut signals = Signals::listen()?;
    let drawing = if io::stdout().is_terminal() && !screen.is_json() {
        Some(Drawing::begin()?)
    } else {
        None
    };
    let mut client = None;
    let mut first = true;
    loop {
        let looked = tokio::select! {
            biased;
            _ = signals.next() => return Ok(Outcome::Success),
            looked = look(&mut client, socket) => looked,
        };
        if let Some(drawing) = &drawing {
            drawing.draw(&shown(looked))?;
        } else if screen.is_json() {
            screen.json(&looked.unwrap_or_else(|why| json!({"error": {"message": why}})))?;
        } else {
            if !first {
                screen.text("")?;
            }
            for line in shown(looked) {
                screen.text(line)?;
            }
        }
        screen.flush()?;
        first = false;
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(Outcome::Success),
            () = sleep(EACH) => {}
        }
    }
}

/// Asks for the status, over the open connection or a new one, or says why that failed. A service
/// that was started again is met the next time.
async fn look(client: &mut Option<Client>, socket: &Path) -> Result<Value, String> {
    let known = client.take();
    let looked = timeout(ANSWER, async {
        let connected = match known {
            Some(client) => client,
            None => Client::connect(socket)
                .await
                .map_err(|error| error.to_string())?,
        };
        let status = connected.request(ServerStatus::NAME, Value::Null).await;
        let status = status.map_err(|error| error.to_string())?;
        Ok((connected, status))
    });
    let (connected, status) = looked
        .await
        .unwrap_or_else(|_| Err("it does not answer in time".to_owned()))
        .map_err(|why: String| format!("no service answers on {}: {why}", socket.display()))?;
    *client = Some(connected);
    Ok(status)
}

/// The status, or why there is none, for people.
fn shown(looked: Result<Value, String>) -> Vec<String> {
    match looked.map(serde_json::from_value::<ServerStatusResult>) {
        Ok(Ok(status)) => lines(&status),
        Ok(Err(error)) => vec![format!(
            "the answer of this service cannot be read: {error}"
        )],
        Err(why) => vec![why],
    }
}

/// The status for people, line by line.
fn lines(status: &ServerStatusResult) -> Vec<String> {
    let build = status.build.as_ref();
    let build = build.map(|build| format!(", {build}")).unwrap_or_default();
    let mut lines = vec![format!(
        "vouchd {}{build} (protocol {}), process {}, up {}",
        status.version,
        status.protocol_version,
        status.process_id,
        span(status.uptime_seconds)
    )];
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<12}  {value}"));
    let places = [
        ("socket", &status.socket),
        ("config", &status.config),
        ("log", &status.log),
    ];
    for (name, path) in places {
        if let Some(path) = path {
            line(name, path.clone());
        }
    }
    if let Some(error) = &status.config_error {
        line(
            "config error",
            format!("{error}; the config before it still holds (`vouchd config check` says more)"),
        );
    }
    line("trust", trust(&status.trust));
    for root in &status.trust.roots {
        line("root", self::root(root));
        for warning in &root.warnings {
            line("", warning.clone());
        }
    }
    if let Some(error) = &status.trust.pins_error {
        line("", error.clone());
    }
    if let Some(error) = &status.proxy_error {
        line("proxy error", error.clone());
    }
    if let Some(idle) = &status.idle {
        line("ends", ends(idle));
    }
    for file in &status.credential_files {
        line("logins in", file.path.clone());
    }
    line("connections", status.connections.to_string());
    let cache = status.cache;
    line(
        "cache",
        format!("{} of {} files", cache.entries, cache.capacity),
    );
    if !status.outcomes.is_empty() {
        line("answered", answered(status));
    }
    for session in &status.sessions {
        line("login", login(session));
    }
    // Asking for the status is a request, too.
    let is_other = |request: &&RequestStatus| request.method != ServerStatus::NAME;
    for under_way in status.requests.iter().filter(is_other) {
        line("request", request(under_way));
    }
    let listed = status.requests.len() as u64;
    let more = status.requests_under_way.saturating_sub(listed);
    if more > 0 {
        line("", format!("and {more} more"));
    }
    for error in &status.last_errors {
        line("error", failed(error));
    }
    lines
}

/// Whose signatures it accepts, in a few words.
fn trust(trust: &TrustStatus) -> String {
    if let Some(error) = &trust.error {
        return format!("nothing is accepted: {error}");
    }
    let counted = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let pins = trust.pins.as_deref();
    let pins = pins.map(|file| format!("; remembered signers in {file}"));
    format!(
        "{}, {}{}",
        counted(trust.signers, "signer"),
        counted(trust.rules, "rule"),
        pins.unwrap_or_default()
    )
}

/// How old a root of bundles is.
fn root(root: &RootStatus) -> String {
    let since = root.since.map(|since| format!(", {} old", age(since)));
    let until = root.until.map(|until| format!(", ends {}", date(until)));
    format!(
        "{}{}{}",
        root.name,
        since.unwrap_or_default(),
        until.unwrap_or_default()
    )
}

/// When it ends by itself.
fn ends(idle: &IdleStatus) -> String {
    let kept = match idle.kept_by {
        Some(IdleKeeper::Requests) => "; kept alive by requests",
        Some(IdleKeeper::Connections) => "; kept alive by other connections",
        Some(IdleKeeper::Logins) => "; kept alive by logins in its memory",
        Some(IdleKeeper::Unknown) => "; kept alive by something newer than this program",
        None => "",
    };
    let ends = match idle.ends_in_seconds {
        Some(seconds) => format!("{} after this connection closes", span(seconds)),
        None => format!("{} without a client", span(idle.timeout_seconds)),
    };
    format!("{ends}{kept}")
}

fn answered(status: &ServerStatusResult) -> String {
    let all: u64 = status.outcomes.values().sum();
    let mut outcomes: Vec<_> = status.outcomes.iter().collect();
    // `ok` first, then by how often they came.
    outcomes.sort_by_key(|(name, times)| (name.as_str() != "ok", std::cmp::Reverse(**times)));
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|(name, times)| format!("{times} {name}"))
        .collect();
    format!("{all} requests: {}", outcomes.join(", "))
}

fn login(session: &SessionStatus) -> String {
    let user = session.user.as_deref().unwrap_or("nobody");
    let used = session
        .last_used_seconds
        .map(|seconds| format!(", used {} ago", span(seconds)));
    let used = used.unwrap_or_default();
    format!("{user} to {}, {}{used}", session.registry, state(session))
}

fn request(request: &RequestStatus) -> String {
    let about = [&request.reference, &request.path];
    let about = about.into_iter().flatten().next();
    let about = about.map(|about| format!(" {about}")).unwrap_or_default();
    let client = request.client.as_deref();
    let client = client
        .map(|name| format!(" for {name}"))
        .unwrap_or_default();
    let phase = match request.phase.as_str() {
        "" => String::new(),
        phase => format!("{phase}, "),
    };
    let done = match (request.percentage, request.total) {
        (Some(percentage), Some(total)) => {
            format!("{percentage}% of {}", size(total))
        }
        _ => size(request.bytes),
    };
    format!(
        "{}{about}{client}: {phase}{done}, for {}",
        request.method,
        span(request.age_milliseconds / 1000)
    )
}

fn failed(error: &LastError) -> String {
    let method = error.method.as_deref();
    let method = method.map(|name| format!("{name}, ")).unwrap_or_default();
    let client = error.client.as_deref();
    let client = client.map(|name| format!("{name}, ")).unwrap_or_default();
    let times = match error.times {
        0 | 1 => String::new(),
        times => format!(", {times} times"),
    };
    format!(
        "{} ago{times}: {method}{client}{}: {}",
        span(error.seconds_ago),
        error.kind,
        error.message
    )
}

/// A terminal's alternate screen; dropping this gives back the normal one.
struct Drawing;

impl Drawing {
    fn begin() -> io::Result<Self> {
        let mut out = io::stdout();
        // xterm's control sequences: the other screen, no cursor.
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(Self)
    }

    /// Draws over what is there. What does not fit is left out.
    #[allow(clippy::unused_self)]
    fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let (columns, rows) = match tcgetwinsize(&out) {
            Ok(found) if found.ws_row > 0 && found.ws_col > 0 => {
                (usize::from(found.ws_col), usize::from(found.ws_row))
            }
            _ => (80, 24),
        };
        let left_out = lines.len().saturating_sub(rows);
        let fitting = if left_out > 0 { rows - 1 } else { lines.len() };
        write!(out, "\x1b[H")?;
        for (row, line) in lines.iter().take(fitting).enumerate() {
            let line: String = escaped(line).chars().take(columns).collect();
            let gap = if row == 0 { "" } else { "\r\n" };
            write!(out, "{gap}{line}\x1b[K")?;
        }
        if left_out > 0 {
            write!(out, "\r\n  … and {} more lines\x1b[K", left_out + 1)?;
        }
        write!(out, "\x1b[J")?;
        out.flush()
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // A terminal may be gone.
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l");
        let _ = out.flush();
    }
}
