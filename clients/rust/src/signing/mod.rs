//! Signing: the half of it that is the client's. The service reads the artifact and says what is to be
//! signed (`sign/prepare`), and puts the token in (`sign/complete`); keys and agents are here.
//!
//! ```no_run
//! # async fn example(client: vouch_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use vouch_client::{
//!     protocol::{SignComplete, SignPrepare, SignPrepareParams},
//!     signing::{Places, SigningInput},
//! };
//!
//! let signer = Places::from_environment().find(&"ssh:ann@laptop".parse()?).await?;
//! let asked = SignPrepareParams {
//!     path: "/home/ann/echo.wasm".into(),
//!     account: signer.account().to_string(),
//!     ..Default::default()
//! };
//! let prepared = client.call::<SignPrepare>(asked.clone()).await?;
//! let input = SigningInput::check(&prepared, &asked)?;
//! println!("{:?}", input.claims());
//! let signature = signer.sign(&input).await?;
//! let params = input.complete(&asked.path, &signature);
//! let signed = client.call::<SignComplete>(params).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Signer`] signs nothing but a [`SigningInput`], and only [`SigningInput::check`] makes one: a
//! service that lies gets nothing signed that it was not asked for.
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
//! | `signature` | the signature of a token
//! | `input` | what is signed, once it is certain that it was asked for |
//! | `agent` | keys in ssh-agent |
//! | `file` | keys in files |
//! | `own` | making keys of one's own |
//! | `signer` | a key that signs |
//! | `places` | where keys are, and which one is meant |

mod agent;
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
pub use error::{Result, SigningError, SigningErrorKind};
pub use file::{KeyFile, Passphrase};
pub use input::SigningInput;
pub use name::KeyName;
pub use nkey::Account;
pub use places::{Candidate, Choice, KEY_FILE_VARIABLE, Place, Places};
pub use signature::TokenSignature;
pub use signer::Signer;
