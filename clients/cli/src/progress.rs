//! Bars on a terminal for what takes longer than a moment: one for each request, gone before its
//! answer is shown. Without a terminal on standard error, or where programs read the answers, there
//! are none, and the service is not asked to report.

use crate::{
    call::{ask, written},
    failure::Failure,
    show::{escaped, size, span},
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::Value;
use std::{
    fmt,
    io::{self, IsTerminal as _},
    pin::pin,
    time::Duration,
};
use tokio::time::sleep;
use vouch_client::{
    Client,
    protocol::{Method, WorkDone},
};

/// What is over sooner has no bar: it would only flicker.
const MOMENT: Duration = Duration::from_millis(300);

/// How often a bar of our own work is drawn.
const EACH: Duration = Duration::from_millis(100);

/// A line: the name, the phase, how far that is, and a bar if there is room left.
const UNKNOWN: &str = "{prefix} {msg:9} {binary_bytes}";
const KNOWN: &str =
    "{prefix} {msg:9} {percent:>3}% {binary_bytes} of {binary_total_bytes}{pace} {wide_bar}";

/// The longest name that is shown whole, in characters.
const LONGEST: usize = 40;

/// The characters of a digest that are shown in a longer name.
const DIGITS: usize = 12;

/// The bars of a command.
pub(crate) struct Bars(Option<MultiProgress>);

impl Bars {
    /// `json` says that programs read the answers.
    pub(crate) fn new(json: bool) -> Self {
        let watched = !json && io::stderr().is_terminal();
        Self(watched.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())))
    }

    /// Calls a method as [`ask`] does, with a bar of that name while it lasts. The service counts
    /// the bytes of so many `passes` over them in one sum.
    pub(crate) async fn ask<M: Method>(
        &self,
        name: &str,
        passes: u64,
        client: &Client,
        params: M::Params,
    ) -> Result<Value, Failure> {
        let Some(bars) = &self.0 else {
            return ask::<M>(client, params).await;
        };
        let params = written::<M>(params)?;
        let bar = ProgressBar::hidden().with_prefix(shortened(&escaped(name)));
        style(&bar, UNKNOWN);
        let mut shown = None;
        let call = client.request_with_progress(M::NAME, params, |report| {
            if let Some(phase) = Phase::of(report, passes) {
                phase.show(&bar, &mut shown);
            }
        });
        let mut call = pin!(call);
        let answered = tokio::select! {
            biased;
            answered = &mut call => return Ok(answered?),
            () = sleep(MOMENT) => {
                bars.add(bar.clone());
                bar.tick();
                call.await
            }
        };
        bar.finish_and_clear();
        bars.remove(&bar);
        Ok(answered?)
    }

    /// Waits for what is done on this side, with a bar of that name if it takes longer than a moment.
    pub(crate) async fn watch<T>(
        &self,
        name: &str,
        message: &'static str,
        total: u64,
        bytes: &dyn Fn() -> u64,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(bars) = &self.0 else {
            return work.await;
        };
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = sleep(MOMENT) => {}
        }
        let bar = ProgressBar::hidden().with_prefix(shortened(&escaped(name)));
        style(&bar, KNOWN);
        bar.set_length(total);
        bar.set_message(message);
        bars.add(bar.clone());
        let done = loop {
            bar.set_position(bytes());
            tokio::select! {
                biased;
                done = &mut work => break done,
                () = sleep(EACH) => {}
            }
        };
        bar.finish_and_clear();
        bars.remove(&bar);
        done
    }

    /// Prints something while the bars are away.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }
}

/// The end of a name, from where a part of it begins. The last part is never cut, but for the digest
/// in it: it tells names apart.
fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let short = match name.split_once("@sha256:") {
        Some((before, digest)) if digest.chars().count() > DIGITS => {
            let digits: String = digest.chars().take(DIGITS).collect();
            format!("{before}@sha256:{digits}…")
        }
        _ => name.to_owned(),
    };
    if short.chars().count() <= LONGEST {
        return short;
    }
    let mut ends = short.match_indices('/').map(|(at, _)| &short[at..]);
    let fitting = |end: &&str| end.chars().count() < LONGEST;
    match ends.clone().find(fitting).or_else(|| ends.next_back()) {
        Some(end) => format!("…{end}"),
        None => short,
    }
}

fn style(bar: &ProgressBar, template: &str) {
    // Both templates are right, as the tests show; without one there is a bar all the same.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("pace", pace).progress_chars("=> "));
    }
}

/// How fast it goes and how long it will take, once that can be told.
fn pace(state: &ProgressState, text: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    let left = state.eta().as_secs();
    // A rate of less than a byte a second, or of none, says nothing.
    if rate >= 1.0 && state.pos() > 0 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rate = size(rate as u64);
        // A terminal's line cannot fail.
        let _ = write!(text, ", {rate}/s, {} left", span(left));
    }
}

/// How far one phase of a request is.
#[derive(Debug, PartialEq, Eq)]
struct Phase {
    message: String,
    /// Which pass over the bytes it is.
    pass: u64,
    bytes: u64,
    total: Option<u64>,
}

impl Phase {
    fn of(report: WorkDone, passes: u64) -> Option<Self> {
        let (message, bytes, total) = match report {
            WorkDone::Begin {
                message,
                bytes,
                total,
                ..
            }
            | WorkDone::Report {
                message,
                bytes,
                total,
                ..
            } => (message.unwrap_or_default(), bytes, total),
            // The answer follows.
            WorkDone::End { .. } => return None,
        };
        let Some(total) = total else {
            return Some(Self {
                message,
                pass: 0,
                bytes,
                total,
            });
        };
        let each = total / passes;
        // A pass whose bytes are all counted lasts until another begins.
        let pass = match bytes.checked_div(each) {
            Some(pass) if message == "verifying" && bytes % each == 0 => pass.saturating_sub(1),
            Some(pass) => pass.min(passes - 1),
            None => 0,
        };
        Some(Self {
            message,
            pass,
            bytes: bytes - pass * each,
            total: Some(each),
        })
    }

    /// Shows it; `shown` is the pass that was shown before.
    fn show(self, bar: &ProgressBar, shown: &mut Option<u64>) {
        if self.total.is_some() && *shown != Some(self.pass) {
            // Its rate is another's.
            bar.reset();
            *shown = Some(self.pass);
        }
        if let Some(total) = self.total
            && bar.length() != Some(total)
        {
            style(bar, KNOWN);
            bar.set_length(total);
        }
        bar.set_message(escaped(&self.message));
        bar.set_position(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_the_last_part_stays_whole() {
        let check = |name: &str, expected: &str| assert_eq!(shortened(name), expected);
        check("", "");
        check("ghcr.io/acme/echo:0.3.4", "ghcr.io/acme/echo:0.3.4");
        check(
            "registry.example.org:5000/some/where/echo:0.3.4",
            "…/some/where/echo:0.3.4",
        );
        let long = format!("{}:0.3.4", "echo".repeat(20));
        check(&format!("ghcr.io/acme/{long}"), &format!("…/{long}"));
        check(&long, &long);
        let digest = "0123456789abcdef".repeat(4);
        check(
            &format!("registry.example.org:5000/acme/echo@sha256:{digest}"),
            "…/acme/echo@sha256:0123456789ab…",
        );
        check(
            &format!("a.b/c@sha256:{digest}"),
            "a.b/c@sha256:0123456789ab…",
        );
    }

    #[test]
    fn the_templates_are_right() {
        for template in [UNKNOWN, KNOWN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn a_phase_has_its_own_bytes() {
        let check = |passes, message: &str, bytes, total, expected: (u64, u64, Option<u64>)| {
            let report = WorkDone::Report {
                message: Some(message.into()),
                percentage: None,
                bytes,
                total,
            };
            let phase = Phase::of(report, passes).unwrap();
            assert_eq!(
                (phase.pass, phase.bytes, phase.total),
                expected,
                "{message} {bytes}"
            );
        };
        check(1, "receiving", 7, None, (0, 7, None));
        check(1, "receiving", 7, Some(10), (0, 7, Some(10)));
        check(1, "finishing", 10, Some(10), (0, 10, Some(10)));
        check(2, "waiting", 0, None, (0, 0, None));
        check(2, "verifying", 0, Some(20), (0, 0, Some(10)));
        check(2, "verifying", 3, Some(20), (0, 3, Some(10)));
        check(2, "verifying", 10, Some(20), (0, 10, Some(10)));
        check(2, "asking", 10, Some(20), (1, 0, Some(10)));
        check(2, "sending", 10, Some(20), (1, 0, Some(10)));
        check(2, "sending", 14, Some(20), (1, 4, Some(10)));
        check(2, "finishing", 20, Some(20), (1, 10, Some(10)));
        // What a server should not send is shown as well as it can be.
        check(2, "sending", 25, Some(20), (1, 15, Some(10)));
        check(2, "sending", 5, Some(0), (0, 5, Some(0)));
        check(2, "verifying", 1, Some(1), (0, 1, Some(0)));
        assert_eq!(Phase::of(WorkDone::End { message: None }, 1), None);
    }
}
