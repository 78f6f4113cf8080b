//! Keys in ssh-agent, or in what speaks as it does: gpg-agent, 1Password, hardware tokens. Two
//! messages of its protocol, each over a connection of its own
//! (<https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent>).

use super::{
    error::{Result, SigningError, SigningErrorKind},
    nkey::Account,
    signature::TokenSignature,
    ssh::{self, ED25519, put, take},
    token,
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};
use vouch_protocol::escaped;

/// How long an agent may take to list its keys.
const LISTING: Duration = Duration::from_secs(10);
/// How long it may take to sign: somebody may have to be asked, or to touch something.
const ASKING: Duration = Duration::from_secs(120);

/// The longest answer, in bytes: what OpenSSH's agent itself allows.
const LONGEST: usize = 256 << 10;
/// The most keys that are looked at.
const MOST: usize = 1024;
/// The longest comment that is kept, in characters.
const LONGEST_COMMENT: usize = 256;

/// The numbers of the protocol's messages.
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// An agent, by its socket. A listing may take 10 seconds, and a signature two minutes, since the
/// agent may ask somebody. Dropping a future hangs up.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
}

impl Agent {
    /// The agent that `SSH_AUTH_SOCK` names; an error where none is named.
    pub fn from_environment() -> Result<Self> {
        match std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) {
            Some(socket) => Ok(Self::at(socket)),
            None => Err(SigningError::new(
                SigningErrorKind::NoAgent,
                "no ssh-agent is named: SSH_AUTH_SOCK is not set",
            )
            .help("`eval $(ssh-agent) && ssh-add` starts one and adds your key.")),
        }
    }

    /// The agent that listens on this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The path of its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its keys, in its order: those that can sign tokens, and those that cannot. There may be none,
    /// also because it is locked.
    pub async fn keys(&self) -> Result<Vec<AgentKey>> {
        self.keys_within(LISTING).await
    }

    async fn keys_within(&self, limit: Duration) -> Result<Vec<AgentKey>> {
        let answer = self
            .ask(&[REQUEST_IDENTITIES], limit, "list its keys")
            .await?;
        match answer.split_first() {
            Some((&IDENTITIES_ANSWER, rest)) => self.identities(rest),
            Some((&FAILURE, _)) => Err(SigningError::new(
                SigningErrorKind::AgentRefused,
                format!("{} does not list its keys", self.named()),
            )
            .help(UNLOCK)),
            _ => Err(self.broken("it did not answer with its keys")),
        }
    }

    /// Signs with one of its keys, and verifies the signature.
    async fn sign(
        &self,
        key: &AgentKey,
        account: &Account,
        input: &str,
        limit: Duration,
    ) -> Result<TokenSignature> {
        let mut request = vec![SIGN_REQUEST];
        put(&mut request, &ssh::blob(account.key()));
        put(&mut request, input.as_bytes());
        // No flags.
        request.extend_from_slice(&[0; 4]);
        let answer = self.ask(&request, limit, "sign").await?;
        let response = match answer.split_first() {
            Some((&SIGN_RESPONSE, rest)) => rest,
            Some((&FAILURE, _)) => {
                let message = format!("{} refused to sign with {}", self.named(), key.called());
                return Err(SigningError::new(SigningErrorKind::AgentRefused, message).help(
                    "Somebody said no when it asked, or it was locked or lost the key meanwhile: \
                     `ssh-add -l` lists what it has.",
                ));
            }
            _ => return Err(self.broken("it did not answer with a signature")),
        };
        let bytes = signature(response)
            .ok_or_else(|| self.broken("it answered something that is not an Ed25519 signature"))?;
        if !token::verifies(account, input.as_bytes(), &bytes) {
            return Err(self.broken(&format!(
                "it answered a signature that does not verify with {}",
                key.called()
            )));
        }
        Ok(TokenSignature::new(bytes))
    }

    /// Asks, and waits for the answer.
    async fn ask(&self, message: &[u8], limit: Duration, to_do: &str) -> Result<Vec<u8>> {
        if let Ok(answer) = timeout(limit, self.exchange(message)).await {
            return answer;
        }
        let limit = limit.as_secs();
        let message = format!("{} did not {to_do} within {limit} s", self.named());
        Err(SigningError::new(SigningErrorKind::TimedOut, message).help(
            "It may be waiting for somebody to say yes or to touch something; if `ssh-add -l` hangs \
             too, start it again.",
        ))
    }

    async fn exchange(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => self.broken("it hung up"),
            _ => self.broken(&error.to_string()),
        };
        let mut request = Vec::new();
        put(&mut request, message);
        stream.write_all(&request).await.map_err(failed)?;
        let length = stream.read_u32().await.map_err(failed)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(self.broken(&format!("its answer has {length} bytes")));
        }
        let mut answer = Vec::new();
        let read = stream.take(length as u64).read_to_end(&mut answer).await;
        read.map_err(failed)?;
        if answer.len() < length {
            return Err(self.broken("it hung up"));
        }
        Ok(answer)
    }

    fn identities(&self, answer: &[u8]) -> Result<Vec<AgentKey>> {
        let broken = || self.broken("its list of keys is cut off or garbled");
        let (count, mut rest) = answer.split_first_chunk().ok_or_else(broken)?;
        let count = u32::from_be_bytes(*count) as usize;
        if count > MOST {
            return Err(self.broken(&format!("it lists {count} keys")));
        }
        let mut keys = Vec::new();
        for _ in 0..count {
            let (blob, comment) = (take(&mut rest), take(&mut rest));
            let key = blob.zip(comment);
            let key = key.and_then(|(blob, comment)| AgentKey::read(self, blob, comment));
            keys.push(key.ok_or_else(broken)?);
        }
        if rest.is_empty() {
            Ok(keys)
        } else {
            Err(broken())
        }
    }

    fn named(&self) -> String {
        format!("the ssh-agent at {}", self.socket.display())
    }

    fn broken(&self, what: &str) -> SigningError {
        let message = format!("{} cannot be used: {what}", self.named());
        SigningError::new(SigningErrorKind::AgentBroken, message)
            .help("`ssh-add -l` asks it, too. SSH_AUTH_SOCK says where it listens.")
    }

    fn unreachable(&self, error: &io::Error) -> SigningError {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "nothing is there".to_owned(),
            io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
            _ => error.to_string(),
        };
        let message = format!("{} cannot be reached: {why}", self.named());
        SigningError::new(SigningErrorKind::NoAgent, message).help(
            "SSH_AUTH_SOCK names it, and may be left over from an agent that has ended: \
             `eval $(ssh-agent) && ssh-add` starts another and adds your key.",
        )
    }
}

/// What to do where an agent shows nothing.
pub(super) const UNLOCK: &str = "`ssh-add ~/.ssh/id_ed25519` adds a key. A locked agent shows none: \
                                 `ssh-add -X` unlocks it.";

/// A key in an agent.
#[derive(Debug, Clone)]
pub struct AgentKey {
    agent: Agent,
    comment: String,
    fingerprint: String,
    kind: String,
    account: Result<Account>,
}

impl AgentKey {
    /// What its owner calls it; somebody else's text, which may be empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// `SHA256:…`, as `ssh-add -l` shows it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its type, as SSH calls it: `ssh-ed25519`, `ssh-rsa`, …; somebody else's text.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The account whose tokens it signs, or why it cannot sign any.
    pub fn account(&self) -> Result<&Account> {
        self.account.as_ref().map_err(Clone::clone)
    }

    /// What to call it in a sentence: its comment, escaped, if it has one.
    pub(super) fn called(&self) -> String {
        if self.comment.is_empty() {
            self.fingerprint.clone()
        } else {
            escaped(&self.comment)
        }
    }

    /// Signs, and verifies the signature.
    pub(super) async fn sign(&self, account: &Account, input: &str) -> Result<TokenSignature> {
        self.agent.sign(self, account, input, ASKING).await
    }

    fn read(agent: &Agent, blob: &[u8], comment: &[u8]) -> Option<Self> {
        let kind = take(&mut &blob[..])?;
        let kind: String = String::from_utf8_lossy(kind).chars().take(64).collect();
        let comment = String::from_utf8_lossy(comment);
        let mut key = Self {
            agent: agent.clone(),
            comment: comment.chars().take(LONGEST_COMMENT).collect(),
            fingerprint: ssh::fingerprint(blob),
            account: Err(SigningError::new(SigningErrorKind::KeyUnusable, "")),
            kind,
        };
        key.account = if key.kind == ED25519 {
            Ok(Account::of_key(ssh::key(blob)?))
        } else {
            Err(ssh::unusable(&key.called(), &key.kind))
        };
        Some(key)
    }
}

/// The signature in what an agent answered: `string "ssh-ed25519", string 64 bytes`, in a string.
fn signature(mut response: &[u8]) -> Option<[u8; 64]> {
    let mut blob = take(&mut response)?;
    let kind = take(&mut blob)?;
    let bytes = take(&mut blob)?;
    let whole = response.is_empty() && blob.is_empty() && kind == ED25519.as_bytes();
    bytes.try_into().ok().filter(|_| whole)
}

#[cfg(test)]
mod tests;
