//! Bars on a terminal for what takes longer than a moment: one for each request, gone before its
//! answer is shown. Where standard error is no terminal, or programs read the answers, there are
//! none, and nothing is asked of the service that would be needed for them.

use crate::{commands::ask, failure::Failure, show::escaped};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::{
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

/// What stands beside a bar: the name, the phase, and how far it is.
const UNKNOWN: &str = "{prefix:24} {msg:9} {binary_bytes}";
const KNOWN: &str =
    "{prefix:24} {msg:9} [{bar:20}] {percent:>3}%  {binary_bytes} of {binary_total_bytes}";

/// So many characters of a name are shown.
const LONGEST: usize = 24;

/// The bars of a command.
pub(crate) struct Bars(Option<MultiProgress>);

impl Bars {
    /// `json` says that programs read the answers.
    pub(crate) fn new(json: bool) -> Self {
        let watched = !json && io::stderr().is_terminal();
        Self(watched.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())))
    }

    /// Asks as [`ask`] does, with a bar of that name while it lasts.
    pub(crate) async fn ask<M: Method>(
        &self,
        name: &str,
        client: &Client,
        params: M::Params,
    ) -> Result<Value, Failure> {
        let Some(bars) = &self.0 else {
            return ask::<M>(client, params).await;
        };
        let params = serde_json::to_value(params)
            .map_err(|error| Failure::new(format!("the params are no JSON: {error}")))?;
        let bar = ProgressBar::hidden().with_prefix(tail(&escaped(name)));
        style(&bar, UNKNOWN);
        let call = client.request_with_progress(M::NAME, params, |told| show(&bar, told));
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

    /// Prints something while the bars are away.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }
}

/// The end of a name, which tells more than its beginning.
fn tail(name: &str) -> String {
    let length = name.chars().count();
    if length <= LONGEST {
        return name.to_owned();
    }
    let end = name.chars().skip(length - LONGEST + 1);
    std::iter::once('…').chain(end).collect()
}

fn style(bar: &ProgressBar, template: &str) {
    // Both templates are right, as the tests show; without one there is a bar all the same.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn show(bar: &ProgressBar, told: WorkDone) {
    let (message, bytes, total) = match told {
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
        } => (message, bytes, total),
        // The answer follows.
        WorkDone::End { .. } => return,
    };
    if let Some(total) = total
        && bar.length() != Some(total)
    {
        style(bar, KNOWN);
        bar.set_length(total);
    }
    bar.set_message(escaped(&message.unwrap_or_default()));
    bar.set_position(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_the_end_is_shown() {
        let check = |name: &str, expected: &str| assert_eq!(tail(name), expected);
        check("", "");
        check("123456789012345678901234", "123456789012345678901234");
        check("a123456789012345678901234", "…23456789012345678901234");
        check(&"ü".repeat(30), &format!("…{}", "ü".repeat(23)));
    }

    #[test]
    fn the_templates_are_right() {
        for template in [UNKNOWN, KNOWN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
