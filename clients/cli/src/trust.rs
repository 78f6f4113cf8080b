//! `vouch trust`: the owner's policy and the signers that are remembered.
//!
//! The files are changed by the service's program, run as `vouchd trust`: it knows what a config may
//! say. Here are the question, the service that is to read its config again, and the proof that it
//! did: its status names the digest of the config that is in force. A config that it refuses is put
//! back.

mod arguments;
mod root;

use crate::{
    call::{ask, unreadable},
    editor::Editor,
    failure::{Failure, Outcome},
    password,
    show::{Screen, date},
};
use arguments::TrustAdd;
pub(crate) use arguments::TrustCommand;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{ffi::OsStr, io, path::Path, time::Duration};
use tokio::time::{Instant, sleep};
use vouch_client::{
    Client,
    protocol::{NoParams, RootStatus, ServerStatus, ServerStatusResult},
    service_program,
};

/// How long the service may take to read its config, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(20);
const EACH: Duration = Duration::from_millis(10);

pub(crate) async fn trust(
    client: &Client,
    command: TrustCommand,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let done = async {
        let status = status(client).await?;
        let mut editor = start(&status)?;
        let agreed = command.is_agreed();
        if command.is_of_config() {
            check_process(&status)?;
        }
        let mut answer = editor.ask(&wanted(command)).await?;
        if let Some(list) = answer.get("list") {
            return Ok(Done::Listed(list.clone()));
        }
        if let Some(roots) = answer.get("roots") {
            return Ok(Done::Roots(root::read(roots)?, roots.clone()));
        }
        loop {
            let changes = answer["changes"].clone();
            let none = |lines: &Value| lines.as_array().is_none_or(Vec::is_empty);
            if none(&changes["lines"]) && none(&changes["root"]["lines"]) {
                return Ok(Done::Nothing(changes));
            }
            if !screen.is_json() {
                show_changes(screen, &changes)?;
            }
            if !agreed && !agrees()? {
                return Ok(Done::Left);
            }
            answer = editor.ask(&json!("write")).await?;
            if let Some(written) = answer.get("written") {
                if let Some(digest) = written.as_str()
                    && let Err(failure) =
                        adopted(client, digest, &answer["root"], status.trust.reads).await
                {
                    editor.ask(&json!("undo")).await?;
                    // What is wrong with the file is not wrong any more.
                    hang_up(&status)?;
                    return Err(failure);
                }
                return Ok(Done::Changed(changes));
            }
        }
    }
    .await;
    match done {
        Err(failure) => screen.failure(&failure),
        Ok(Done::Left) => screen.failure(&Failure::new("nothing was changed")),
        Ok(done) => show(screen, done).map(|()| Outcome::Success),
    }
}

/// How it ended.
enum Done {
    Listed(Value),
    /// What they say, and the answer as it came.
    Roots(Vec<RootStatus>, Value),
    /// It is so already.
    Nothing(Value),
    /// The person said no.
    Left,
    Changed(Value),
}

/// What `vouchd trust` is to do.
fn wanted(command: TrustCommand) -> Value {
    match command {
        TrustCommand::List => json!({"list": {}}),
        TrustCommand::Add(add) => json!({"add": {
            "name": add.name, "signer": signer(&add), "revoked": add.revoked, "scopes": add.scopes,
        }}),
        TrustCommand::Remove { name, scopes, .. } => {
            json!({"remove": {"name": name, "scopes": scopes}})
        }
        TrustCommand::Accept {
            repository, signer, ..
        } => json!({"accept": {"repository": repository.told, "signer": signer}}),
        TrustCommand::Forget {
            repository, signer, ..
        } => json!({"forget": {"repository": repository.told, "signer": signer}}),
        TrustCommand::Root { command } => root::wanted(command),
    }
}

/// A signer as the config writes it; nothing where only a name was given.
fn signer(add: &TrustAdd) -> Option<Value> {
    let texts = [
        ("account", &add.account),
        ("ssh-key", &add.ssh_key),
        ("workflow", &add.workflow),
        ("repository", &add.repository),
        ("email", &add.email),
        ("uri", &add.uri),
        ("issuer", &add.issuer),
        ("key", &add.key),
        ("root", &add.root),
    ];
    let given = texts.into_iter();
    let given = given.filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?))));
    let mut signer: serde_json::Map<_, _> = given.collect();
    if !add.refs.is_empty() {
        signer.insert("refs".into(), json!(add.refs));
    }
    (!signer.is_empty()).then_some(Value::Object(signer))
}

async fn status(client: &Client) -> Result<ServerStatusResult, Failure> {
    let answer = ask::<ServerStatus>(client, NoParams {}).await?;
    serde_json::from_value(answer).map_err(|error| unreadable(&error))
}

/// `vouchd trust`, on the files of a service.
fn start(status: &ServerStatusResult) -> Result<Editor, Failure> {
    let Some(file) = &status.trust.file else {
        return Err(Failure::new("the service knows no file for a policy")
            .help("Its user has no home folder: start it with `vouchd serve --config FILE`."));
    };
    Editor::start(
        Some(Path::new(file)),
        status.trust.pins.as_deref().map(Path::new),
    )
}

/// Fails unless the service's process is one that can be told to read its config: a number from
/// another container would be somebody else's process here.
fn check_process(status: &ServerStatusResult) -> Result<(), Failure> {
    let name = match std::fs::read_to_string(format!("/proc/{}/comm", status.process_id)) {
        Ok(name) => name,
        Err(_) if !Path::new("/proc/self/comm").exists() => return Ok(()),
        Err(_) => String::new(),
    };
    let program = service_program().ok();
    let program = program.as_deref().and_then(Path::file_name);
    let program = program.and_then(OsStr::to_str).unwrap_or_default();
    // The system cuts names at 15 bytes.
    let is_named = |full: &str| full.get(..15).unwrap_or(full) == name.trim_end();
    if is_named("vouchd") || is_named(program) {
        return Ok(());
    }
    let message = format!("process {} is not the service here", status.process_id);
    Err(Failure::new(message).help("Run `vouch trust` where the service runs."))
}

/// Makes the service read its config again.
fn hang_up(status: &ServerStatusResult) -> Result<(), Failure> {
    let process = i32::try_from(status.process_id)
        .ok()
        .and_then(Pid::from_raw);
    let process = process.ok_or_else(|| Failure::new("the service has no process"))?;
    kill_process(process, Signal::HUP).map_err(|error| {
        let id = status.process_id;
        Failure::new(format!("cannot signal the service (process {id}): {error}"))
    })
}

/// Makes the service read its config again, and waits until that of this digest is in force, and
/// this root, if one was changed.
async fn adopted(client: &Client, digest: &str, root: &Value, reads: u64) -> Result<(), Failure> {
    hang_up(&status(client).await?)?;
    let begun = Instant::now();
    loop {
        let now = status(client).await?;
        if now.trust.digest.as_deref() == Some(digest) && root::is_in_force(root, &now.trust) {
            return Ok(());
        }
        if now.trust.reads > reads
            && let Some(error) = now.config_error
        {
            let message = format!("the service refused the change, which was undone: {error}");
            return Err(Failure::new(message));
        }
        if begun.elapsed() > PATIENCE {
            let message = "the service did not read its config again; the change was undone";
            return Err(Failure::new(message).help("`vouch log` may say why."));
        }
        sleep(EACH).await;
    }
}

/// Asks for a yes.
fn agrees() -> Result<bool, Failure> {
    let answer = password::prompt("Change it? [y/N]", true).map_err(Failure::new)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn show_changes(screen: &mut Screen, changes: &Value) -> io::Result<()> {
    for changes in [changes, &changes["root"]] {
        let lines = changes["lines"].as_array().into_iter().flatten();
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            screen.text(changes["file"].as_str().unwrap_or_default())?;
        }
        for line in lines {
            let line = line.as_str().unwrap_or_default();
            let (sign, line) = line.split_at_checked(1).unwrap_or((line, ""));
            screen.text(format!("  {sign} {line}").trim_end())?;
        }
        for warning in changes["warnings"].as_array().into_iter().flatten() {
            screen.line("warning", warning.as_str().unwrap_or_default())?;
        }
    }
    screen.flush()
}

fn show(screen: &mut Screen, done: Done) -> io::Result<()> {
    let (changed, changes) = match done {
        Done::Listed(list) if screen.is_json() => return screen.json(&list),
        Done::Roots(_, answer) if screen.is_json() => return screen.json(&answer),
        Done::Listed(list) => return show_list(screen, &list),
        Done::Roots(roots, _) => return root::show_list(screen, &roots),
        Done::Changed(changes) => (true, changes),
        Done::Nothing(changes) => (false, changes),
        Done::Left => return Ok(()),
    };
    if screen.is_json() {
        let (file, lines) = (&changes["file"], &changes["lines"]);
        let mut done = json!({"changed": changed, "file": file, "lines": lines});
        if let Some(warnings) = changes.get("warnings") {
            done["warnings"] = warnings.clone();
        }
        if let Some(root) = changes.get("root") {
            done["root"] = root.clone();
        }
        return screen.json(&done);
    }
    if changed {
        screen.heading(true, "changed", "and in force")
    } else {
        screen.text("nothing to change")
    }
}

/// What holds where no rule does, if that is anywhere: a rule `*` covers all but files.
fn elsewhere(default: Option<&str>, everywhere: bool, files: bool) -> Option<&'static str> {
    Some(match (default, everywhere, files) {
        (_, true, true) => return None,
        (_, true, false) => "files: any signer is accepted",
        (Some("none"), _, true) => "nobody is accepted",
        (Some("none"), _, false) => "nobody is accepted; of files, any signer is",
        (Some("any"), ..) => "any signer is accepted",
        (Some(_), _, true) => "the first signer of a repository is remembered",
        (Some(_), _, false) => {
            "the first signer of a repository is remembered; of files, any signer is accepted"
        }
        (None, ..) => {
            "the first signer of a repository is remembered; on this machine any is accepted"
        }
    })
}

fn show_list(screen: &mut Screen, list: &Value) -> io::Result<()> {
    let each = |key: &str| list[key].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    screen.text(format!("policy in {}", text(&list["file"])))?;
    if let Some(error) = list["error"].as_str() {
        screen.line("error", error)?;
    }
    for signer in each("signers") {
        let revoked = if signer["revoked"] == true {
            ", revoked"
        } else {
            ""
        };
        screen.line(
            "signer",
            format!(
                "{}, {}{revoked}",
                text(&signer["name"]),
                text(&signer["described"])
            ),
        )?;
    }
    let mut rules: Vec<_> = each("rules").collect();
    rules.sort_by_key(|rule| rule["scope"].as_str());
    for rule in &rules {
        let mut parts = Vec::new();
        for (key, value) in rule.as_object().into_iter().flatten() {
            let values: Vec<_> = match value {
                Value::Array(values) => values.iter().map(text).collect(),
                value => vec![text(value)],
            };
            match key.as_str() {
                "scope" => {}
                "accept" if values == ["none"] => parts.insert(0, "accepts nobody".to_owned()),
                "accept" => parts.insert(0, format!("accepts {}", values.join(", "))),
                key => parts.push(format!("{key} {}", values.join(", "))),
            }
        }
        screen.line(
            "rule",
            format!("{}: {}", text(&rule["scope"]), parts.join("; ")),
        )?;
    }
    let has_rule = |scope: &str| rules.iter().any(|rule| rule["scope"] == scope);
    if let Some(elsewhere) = elsewhere(list["default"].as_str(), has_rule("*"), has_rule("files")) {
        screen.line("elsewhere", elsewhere)?;
    }
    for pin in each("pins") {
        let signer = text(&pin["signer"]);
        let key = signer.strip_prefix("token:").unwrap_or(&signer).to_owned();
        let since = date(pin["since"].as_u64().unwrap_or_default());
        screen.line(
            "remembered",
            format!("{}: {key} since {since}", text(&pin["repository"])),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_is_what_no_rule_covers() {
        let check = |default, everywhere, files, expected: Option<&str>| {
            let found = elsewhere(default, everywhere, files);
            assert_eq!(found, expected, "{default:?} {everywhere} {files}");
        };
        check(None, true, true, None);
        check(Some("none"), true, true, None);
        check(None, true, false, Some("files: any signer is accepted"));
        check(Some("none"), false, true, Some("nobody is accepted"));
        let but_files = "nobody is accepted; of files, any signer is";
        check(Some("none"), false, false, Some(but_files));
    }
}
