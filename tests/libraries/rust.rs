//! The driver of the library in Rust: this very program, where it is told to be that.

use serde_json::{Map, Value, json};
use std::{collections::HashMap, env, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    process::Command,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};
use vouch_client::{
    CallError, Client, ServerError, Start,
    protocol::{
        ClientInfo, ErrorKind, InitializeResult, SignComplete, SignPrepare, SignPrepareParams,
        WorkDone,
    },
    signing::{Agent, Covered, Signer, SigningError, SigningErrorKind, SigningInput},
};
use vouch_testing::forge::base64;

/// The variable that says so.
pub const IS_DRIVER: &str = "VOUCH_IS_DRIVER";

pub fn is_driver() -> bool {
    env::var_os(IS_DRIVER).is_some()
}

pub fn drive() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(steps());
}

struct Call {
    task: JoinHandle<(Result<Value, Failure>, Vec<WorkDone>)>,
    cancel: Option<oneshot::Sender<()>>,
    reports: bool,
}

enum Failure {
    Call(CallError),
    Signing(SigningError),
    Cancelled,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<SigningError> for Failure {
    fn from(error: SigningError) -> Self {
        Self::Signing(error)
    }
}

#[derive(Default)]
struct State {
    client: Option<Arc<Client>>,
    calls: HashMap<String, Call>,
}

async fn steps() {
    let mut state = State::default();
    let line = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    loop {
        let line = spawn_blocking(line).await.unwrap().unwrap();
        if line.is_empty() {
            return;
        }
        let step: Value = serde_json::from_str(&line).unwrap();
        let (outcome, reports) = state.step(&step).await;
        let mut answer = Map::new();
        match outcome {
            Ok(result) => answer.insert("ok".into(), result),
            Err(failure) => answer.insert("error".into(), shown(&failure)),
        };
        if let Some(reports) = reports {
            answer.insert("progress".into(), serde_json::to_value(reports).unwrap());
        }
        println!("{}", Value::Object(answer));
    }
}

impl State {
    fn client(&self) -> Arc<Client> {
        self.client.clone().expect("connected")
    }

    async fn step(&mut self, step: &Value) -> (Result<Value, Failure>, Option<Vec<WorkDone>>) {
        let text = |name: &str| step[name].as_str().unwrap().to_owned();
        let outcome = match step["do"].as_str().unwrap() {
            "connect" => self.connect(step).await,
            "spawn" => {
                let words = step["command"].as_array().unwrap();
                let mut words = words.iter().map(|word| word.as_str().unwrap());
                let mut command = Command::new(words.next().unwrap());
                command.args(words);
                Client::spawn(command)
                    .map(|client| {
                        self.client = Some(Arc::new(client));
                        Value::Null
                    })
                    .map_err(Failure::from)
            }
            "call" => {
                let client = self.client();
                let called = client
                    .request(&text("method"), step["params"].clone())
                    .await;
                called.map_err(Failure::from)
            }
            "begin" => {
                self.begin(text("as"), text("method"), step);
                Ok(Value::Null)
            }
            "cancel" => {
                let call = self.calls.get_mut(&text("as")).unwrap();
                // It may be over.
                let _ = call.cancel.take().unwrap().send(());
                Ok(Value::Null)
            }
            "end" => {
                let call = self.calls.remove(&text("as")).unwrap();
                let (outcome, reports) = call.task.await.unwrap();
                return (outcome, Some(reports).filter(|_| call.reports));
            }
            "sign" => self.sign(step).await,
            "close" => {
                let client = Arc::into_inner(self.client.take().unwrap()).expect("nothing is left");
                let closed = client.shutdown().await;
                closed.map(|()| Value::Null).map_err(Failure::from)
            }
            other => panic!("no step: {other}"),
        };
        (outcome, None)
    }

    async fn connect(&mut self, step: &Value) -> Result<Value, Failure> {
        self.client = None;
        let socket = step["socket"].as_str().unwrap();
        let info = ClientInfo {
            name: "driver".into(),
            version: None,
        };
        let client = match step["start"].as_str() {
            Some(program) => {
                let start = Start::new(info).program(program);
                let start = start.patience(Duration::from_secs(120));
                Client::connect_or_start(socket, &start).await?
            }
            None => Client::connect_as(socket, &info).await?,
        };
        let told: Option<&InitializeResult> = client.server();
        let told = serde_json::to_value(told).unwrap();
        self.client = Some(Arc::new(client));
        Ok(told)
    }

    fn begin(&mut self, name: String, method: String, step: &Value) {
        let (client, params) = (self.client(), step["params"].clone());
        let reports = step["progress"] == true;
        let (cancel, cancelled) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut seen = Vec::new();
            let call = async {
                if reports {
                    let see = |report| seen.push(report);
                    client.request_with_progress(&method, params, see).await
                } else {
                    client.request(&method, params).await
                }
            };
            let outcome = tokio::select! {
                outcome = call => outcome.map_err(Failure::from),
                Ok(()) = cancelled => Err(Failure::Cancelled),
            };
            (outcome, seen)
        });
        let cancel = Some(cancel);
        let call = Call {
            task,
            cancel,
            reports,
        };
        self.calls.insert(name, call);
    }

    async fn sign(&self, step: &Value) -> Result<Value, Failure> {
        let client = self.client();
        let asked: SignPrepareParams = serde_json::from_value(step["params"].clone()).unwrap();
        let (prepared, covered) = tokio::join!(
            client.call::<SignPrepare>(asked.clone()),
            Covered::read(PathBuf::from(&asked.path)),
        );
        let input = SigningInput::check(&prepared?, &asked, &covered?)?;
        let complete = if let Some(agent) = step["agent"].as_str() {
            let keys = Agent::at(agent).keys().await?;
            let is_meant =
                |account: &vouch_client::signing::Account| account.as_str() == asked.account;
            let key = keys
                .into_iter()
                .find(|key| key.account().is_ok_and(is_meant));
            let key = key.ok_or_else(|| {
                Failure::Signing(SigningError {
                    kind: SigningErrorKind::KeyAbsent,
                    message: "the agent has no such key".into(),
                    help: None,
                })
            })?;
            let signature = Signer::of_agent(key)?.sign(&input).await?;
            input.complete(&asked.path, &signature)
        } else {
            let seed = step["key"].as_str().unwrap().as_bytes();
            let seed = data_encoding::HEXLOWER.decode(seed).unwrap();
            let kind = nkeys::KeyPairType::Account;
            let key = nkeys::KeyPair::new_from_raw(kind, seed.try_into().unwrap()).unwrap();
            let signature = key.sign(input.as_str().as_bytes()).unwrap();
            vouch_client::protocol::SignCompleteParams {
                path: asked.path.clone(),
                signing_input: input.as_str().into(),
                signature: base64(&signature),
                ..Default::default()
            }
        };
        let signed = client.call::<SignComplete>(complete).await?;
        Ok(serde_json::to_value(signed).unwrap())
    }
}

fn shown(failure: &Failure) -> Value {
    match failure {
        Failure::Cancelled => json!({"is": "cancelled"}),
        Failure::Call(CallError::Refused(error)) => of_server(error),
        Failure::Call(CallError::Connection(error)) => {
            json!({"is": "connection", "message": error.to_string()})
        }
        Failure::Call(CallError::NotStarted(error)) => {
            json!({"is": "notStarted", "message": error.to_string(), "lastWords": error.last_words})
        }
        Failure::Call(CallError::Protocol(message)) => {
            json!({"is": "protocol", "message": message})
        }
        Failure::Signing(error) => {
            let kind = format!("{:?}", error.kind);
            let (first, rest) = kind.split_at(1);
            json!({"is": "signing", "kind": first.to_lowercase() + rest, "message": error.message})
        }
    }
}

fn of_server(error: &ServerError) -> Value {
    let mut shown = json!({
        "is": "server", "kind": error.kind, "code": error.code, "message": error.message,
        "retryable": error.retryable, "refusal": ErrorKind::refuses(error.code),
    });
    for name in ["help", "registry", "status"] {
        if let Some(value) = error.data.get(name) {
            shown[name] = value.clone();
        }
    }
    shown
}
