//! The libraries for programs, side by side: each scenario of one table is played through each of
//! them, against the built service and a real registry, and has to come out the same.
//!
//! # Drivers
//!
//! A library is driven by a small program in its language. It reads one step a line from standard
//! input, a JSON object, and answers each with one line on standard output, in their order. Standard
//! error is shown where a scenario fails. It ends when its input does. It needs no arguments; its
//! environment has a `HOME` and an `XDG_RUNTIME_DIR` of the scenario's own.
//!
//! | `do` | members | what it does, and answers as `ok` |
//! |---|---|---|
//! | `connect` | `socket`, `start` (optional) | Connects as the client named `driver`. With `start`, the path of a program, that one is started where nobody listens, and may take two minutes. Answers the result of `initialize`. |
//! | `spawn` | `command`: an array | Runs a service of its own, and talks to it over its standard input and output. Answers null. |
//! | `call` | `method`, `params` | Calls, and waits. Answers the result. By the library's own function for that method, where it has one and the params fit it. |
//! | `begin` | `as`, `method`, `params`, `progress` (optional, true) | The same without waiting: answers null at once. |
//! | `cancel` | `as` | Cancels that call as the library does it. Answers null at once. |
//! | `end` | `as` | Waits for that call. Answers its result or error; where it was begun with `progress`, all that was reported stands beside it as `progress`, in its order. |
//! | `sign` | `params`, those of `sign/prepare`; `key` or `agent` | Signs a file in place with all of the library's checks: `sign/prepare`, the signature, `sign/complete`. `key` is the seed of an Ed25519 key in hex, which a callback of the driver's signs with; `agent` the socket of an ssh-agent, of whose keys the one for `params.account` signs. Answers the result of `sign/complete`. |
//! | `close` | | Ends the connection in good order. Answers null. |
//!
//! One connection is open at a time. What fails is answered as `error`, by the class of the library's
//! error:
//!
//! | `is` | members | |
//! |---|---|---|
//! | `server` | `kind`, `code`, `message`, `help`, `retryable`, `refusal`, `registry`, `status` | The service returned an error. `kind` as it came; `refusal`: whether it says that the artifact does not satisfy the rule. What was not sent is absent. |
//! | `cancelled` | | The caller had cancelled it. |
//! | `connection` | `message` | No connection, or it broke; also a service that is another user's. |
//! | `notStarted` | `message`, `lastWords` | No service could be started; `lastWords` is an array. |
//! | `protocol` | `message` | What came breaks the protocol. |
//! | `signing` | `kind`, `message` | It was not signed. `kind`: `notAskedFor`, `keyAbsent`, `keyUnusable`, `agentRefused`, … |
//!
//! A driver that cannot go on (a step that it does not know) ends with an error.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::pedantic,
    clippy::type_complexity
)]

// Cargo takes this file for the root of a crate in `tests`.
#[path = "libraries/artifacts.rs"]
mod artifacts;
#[path = "libraries/driver.rs"]
mod driver;
#[path = "libraries/fake.rs"]
mod fake;
#[path = "libraries/kinds.rs"]
mod kinds;
#[path = "libraries/life.rs"]
mod life;
#[path = "libraries/rust.rs"]
mod rust;
#[path = "libraries/signing.rs"]
mod signing;
#[path = "libraries/typescript.rs"]
mod typescript;

use driver::Library;
use libtest_mimic::{Arguments, Trial};
use std::{path::Path, process::Command};

/// The libraries.
const LIBRARIES: &[Library] = &[
    Library {
        name: "rust",
        prepare: || (),
        command: || {
            let mut own = Command::new(std::env::current_exe().expect("it runs"));
            own.env(rust::IS_DRIVER, "1");
            own
        },
    },
    // As it lies there: it needs nothing else.
    Library {
        name: "python",
        prepare: || (),
        command: || {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python");
            let mut python = Command::new("python3");
            python
                .args(["-X", "dev", "-B"])
                .arg(folder.join("tests/driver.py"))
                .env("PYTHONPATH", folder.join("src"));
            python
        },
    },
    Library {
        name: "typescript",
        prepare: typescript::prepare,
        command: typescript::driver,
    },
];

/// What is played, and who needs root for that.
const SCENARIOS: &[(&str, fn(&Library))] = &[
    ("verify_answers_refusals_as_results", artifacts::verify),
    ("push_and_pull_keep_all", artifacts::push_and_pull),
    ("progress_is_reported_in_order", artifacts::progress),
    ("cancelled_in_the_middle", artifacts::cancel),
    ("calls_run_side_by_side", artifacts::side_by_side),
    ("a_service_of_its_own", artifacts::stdio),
    ("kinds_that_a_service_answers", kinds::provoked),
    ("kinds_as_they_come", kinds::as_they_come),
    ("kinds_of_later_versions", kinds::of_later_versions),
    ("restarts_in_the_middle", life::restarts),
    ("one_that_dies", life::dies),
    ("one_that_ends_between_calls", life::ends),
    ("one_that_is_too_old", life::too_old),
    ("one_that_says_more_than_is_known", life::later),
    ("busy_is_asked_once_more", life::busy),
    ("shutting_down_is_asked_elsewhere", life::shutting_down),
    ("what_was_lost_is_not_repeated", life::lost),
    ("one_that_reads_no_more", life::reads_no_more),
    ("an_answer_without_end", life::endless),
    ("started_where_none_runs", life::started),
    ("one_that_cannot_start", life::cannot_start),
    ("not_started_over_something_else", life::something_else),
    ("signed_with_a_callback", signing::callback),
    ("signed_with_an_agent", signing::agent),
    ("signed_again", signing::again),
    ("lies_are_not_signed", signing::lies),
];

/// Those that need root: they run something as another user.
const AS_ROOT: &[(&str, fn(&Library))] = &[("another_user_s_service", life::another_user)];

fn main() {
    if rust::is_driver() {
        return rust::drive();
    }
    let arguments = Arguments::from_args();
    let is_root = rustix::process::geteuid().is_root();
    let mut trials = Vec::new();
    for (name, check) in typescript::CHECKS {
        trials.push(Trial::test(format!("typescript::{name}"), move || {
            check();
            Ok(())
        }));
    }
    for library in LIBRARIES {
        let mut add = |(name, play): &(&str, fn(&Library)), ignored: bool| {
            let (library, play) = (*library, *play);
            let trial = Trial::test(format!("{}::{name}", library.name), move || {
                library.prepared();
                play(&library);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(ignored));
        };
        SCENARIOS.iter().for_each(|row| add(row, false));
        AS_ROOT.iter().for_each(|row| add(row, !is_root));
    }
    libtest_mimic::run(&arguments, trials).exit();
}
