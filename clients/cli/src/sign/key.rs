//! Which key signs, and its passphrase.

use super::{arguments::KeyArguments, shell};
use crate::{
    editor::Editor,
    failure::Failure,
    keys::Kept,
    password,
    show::{Screen, escaped},
};
use serde_json::json;
use std::io::{self, IsTerminal as _};
use tokio::task::spawn_blocking;
use vouch_client::signing::{
    Candidate, Choice, Passphrase, Places, Signer, SigningError, SigningErrorKind,
};

/// The widest column of names, in characters.
const WIDEST: usize = 60;

/// How often a passphrase may be wrong.
const TRIES: u32 = 3;

/// Whether there is somebody to ask.
pub(super) fn may_ask(screen: &Screen) -> bool {
    !screen.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The key that signs. It may be locked.
pub(crate) async fn choose(
    arguments: &KeyArguments,
    screen: &mut Screen,
) -> Result<Signer, Failure> {
    let named = arguments.key.as_deref();
    let kept = Kept::read_for(named).await?;
    let places = kept.places();
    let ask = may_ask(screen);
    match places.choose(named, kept.key.as_deref(), ask).await {
        Ok(Choice::The(signer)) => Ok(signer),
        Ok(Choice::Among(candidates)) => chosen(&places, candidates, screen).await,
        Err(error) if named.is_none() && kept.key.is_none() && places.key_file().is_none() => {
            Err(unnamed(&places, error).await)
        }
        Err(error) => Err(Failure::from(error)),
    }
}

/// Nothing named a key: says how to name one, in lines that can be copied.
async fn unnamed(places: &Places, error: SigningError) -> Failure {
    let line = |key: &str| format!("`{}`", shell::again(&format!("--key {key}")));
    let (known, no_agent) = places.candidates().await;
    let usable = known.iter().filter(|it| it.account.is_ok());
    let lines: Vec<_> = usable
        .take(4)
        .map(|it| line(&shell::quoted(&it.name.to_string())))
        .collect();
    let help = if lines.is_empty() {
        cold_start(&line("NAME"), no_agent.is_none())
    } else {
        format!(
            "Name it: {}\n`key` in the section [sign] of the config sets the default key.",
            lines.join(", or ")
        )
    };
    let automation = match error.kind {
        SigningErrorKind::KeyAmbiguous => "\nIn CI, VOUCH_KEY_FILE names the file of the key.",
        _ => "",
    };
    Failure::new(error.message).help(help + automation)
}

/// From nothing.
fn cold_start(line: &str, has_agent: bool) -> String {
    let add = if has_agent {
        "`ssh-add` adds yours to ssh-agent"
    } else {
        "`eval $(ssh-agent) && ssh-add` starts an ssh-agent and adds yours"
    };
    format!(
        "`vouch keys new NAME` makes a key; then sign with it: {line}\nOr sign with an Ed25519 key of \
         SSH: {add}; `ssh-keygen -t ed25519` makes one."
    )
}

/// Asks which key it is, and whether to keep it.
async fn chosen(
    places: &Places,
    candidates: Vec<Candidate>,
    screen: &mut Screen,
) -> Result<Signer, Failure> {
    eprintln!("Keys that can sign:");
    let name = |it: &Candidate| escaped(&it.name.to_string());
    let widths = candidates.iter().map(|it| name(it).chars().count());
    let width = widths.max().unwrap_or_default().min(WIDEST);
    for (number, candidate) in (1..).zip(&candidates) {
        let account = candidate.account.as_ref().map(ToString::to_string);
        let (name, label) = (name(candidate), escaped(&candidate.label));
        let account = account.unwrap_or_default();
        eprintln!("  {number}  {name:<width$}  {account}  {label}");
    }
    let picked = match candidates.as_slice() {
        [one] => agrees("Sign with it? [y/N]".to_owned())
            .await?
            .then_some(one),
        several => {
            let question = format!("Which one signs? [1-{}]", several.len());
            let answer = password::ask(question, true).await.map_err(Failure::new)?;
            let number = answer.trim().parse::<usize>().ok();
            number.and_then(|number| several.get(number.checked_sub(1)?))
        }
    };
    let Some(candidate) = picked else {
        let line = shell::again("--key KEY");
        return Err(Failure::new("no key was chosen").help(format!("`{line}` names one.")));
    };
    let signer = places.find(&candidate.name).await?;
    let question = "Use it by default from now on? [y/N]".to_owned();
    if agrees(question).await? {
        let file = keep(&candidate.name.clone().absolute().to_string()).await?;
        screen.notice(&format!("kept as `key` of [sign] in {file}"))?;
    }
    Ok(signer)
}

/// Asks for a yes.
pub(super) async fn agrees(question: String) -> Result<bool, Failure> {
    let answer = password::ask(question, true).await.map_err(Failure::new)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Keeps a key in the config, and answers where that is.
async fn keep(key: &str) -> Result<String, Failure> {
    let mut editor = Editor::start(None, None)?;
    let mut answer = editor.ask(&json!({"keep": {"key": key}})).await?;
    let file = answer["changes"]["file"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // Others may change it at the same time.
    while let Some(changes) = answer.get("changes") {
        if changes["lines"].as_array().is_none_or(Vec::is_empty) {
            return Ok(file);
        }
        answer = editor.ask(&json!("write")).await?;
    }
    Ok(file)
}

/// Opens a locked key file, with the passphrase from a file or from whoever can be asked.
pub(super) async fn unlock(
    signer: &mut Signer,
    arguments: &KeyArguments,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if !signer.is_locked() {
        return Ok(());
    }
    if let Some(file) = arguments.passphrase_file.clone() {
        let read = spawn_blocking(move || Passphrase::from_file(&file)).await;
        let passphrase = read.map_err(io::Error::other)??;
        return Ok(signer.unlock(passphrase).await?);
    }
    if !may_ask(screen) {
        let message = format!("the key {} has a passphrase", signer.label());
        return Err(Failure::new(message).help(format!(
            "Name a file that holds it: `{}`; or give the key to ssh-agent with `ssh-add`.",
            shell::again("--passphrase-file FILE")
        )));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let question = format!("Passphrase of {}", escaped(&signer.label()));
        let typed = password::ask(question, false).await.map_err(Failure::new)?;
        match signer.unlock(Passphrase::new(typed)).await {
            Err(error) if error.kind == SigningErrorKind::PassphraseWrong && tries < TRIES => {
                screen.notice("that is not its passphrase")?;
            }
            unlocked => return Ok(unlocked?),
        }
    }
}
