//! Signing: the half of it that is the client's. The service reads the artifact and says what is to be
//! signed (`sign/prepare`), and puts the token in (`sign/complete`); keys and agents are here.
//!
//! ```no_run
//! # async fn example(client: vouch_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use vouch_client::{
//!     protocol::{SignComplete, SignPrepare, SignPrepareParams},
//!     signing::{Covered, Places, SigningInput},
//! };
//!
//! let signer = Places::from_environment().find(&"ssh:ann@laptop".parse()?).await?;
//! let asked = SignPrepareParams {
//!     path: "/home/ann/echo.wasm".into(),
//!     account: signer.account().to_string(),
//!     ..Default::default()
//! };
//! // Both read the file: at a time, it takes hardly longer.
//! let (prepared, covered) = tokio::join!(
//!     client.call::<SignPrepare>(asked.clone()),
//!     Covered::read(&asked.path),
//! );
//! let input = SigningInput::check(&prepared?, &asked, &covered?)?;
//! println!("{:?}", input.claims());
//! let signature = signer.sign(&input).await?;
//! let params = input.complete(&asked.path, &signature);
//! let signed = client.call::<SignComplete>(params).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Signer`] signs nothing but a [`SigningInput`], and only [`SigningInput::check`] makes one: a
//! service that lies gets nothing signed that it was not asked for, and no bytes but those of the file,
//! which [`Covered::read`] hashes itself.
//!
//! Files depend on those above them:
//!
//! | file | what is in it |
//! |---|---|
//! | `error` | what went wrong, and what to do |
//! | `ssh` | what SSH writes: strings, keys, fingerprints |
//! | `nkey` | keys as nkeys write them: accounts, seeds |
//! | `name` | what people call a key |
//! | `token` | a token, or the two parts that are signed, read to the letter |
//! | `subject` | the subject that follows from account and name |
//! | `covered` | what a token for a file has to cover, read from the file |
//! | `signature` | the signature of a token |
//! | `input` | what is signed, once it is certain that it was asked for |
//! | `agent` | keys in ssh-agent |
//! | `file` | keys in files |
//! | `own` | making keys of one's own |
//! | `signer` | a key that signs |
//! | `places` | where keys are, and which one is meant |

mod agent;
mod covered;
mod error;
mod file;
mod input;
mod name;
mod nkey;
mod own;
mod places;
mod signature;
mod signer;
mod ssh;
mod subject;
mod token;

pub use agent::{Agent, AgentKey};
pub use covered::Covered;
pub use error::{Result, SigningError, SigningErrorKind};
pub use file::{KeyFile, Passphrase};
pub use input::SigningInput;
pub use name::KeyName;
pub use nkey::Account;
pub use places::{Candidate, Choice, KEY_FILE_VARIABLE, Place, Places};
pub use signature::TokenSignature;
pub use signer::Signer;
