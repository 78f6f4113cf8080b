//! What clients notice that come and go while the service is replaced, again and again.

use super::*;
use std::io::ErrorKind;
use vouch_testing::wire::{Framing, hear_or_end};

/// Connects and asks, again and again, until it is told to end: each time anew, or for as long as
/// the connection lasts. Nobody may be refused, and whatever was sent must be answered.
fn ask_again_and_again(socket: &Path, framing: Framing, stays: bool, body: &str, end: &AtomicBool) {
    let request = framing.frame(body);
    let mut connection: Option<BufReader<UnixStream>> = None;
    while !end.load(Ordering::Relaxed) {
        let stream = connection.get_or_insert_with(|| {
            let stream = UnixStream::connect(socket).expect("nobody is refused");
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            BufReader::new(stream)
        });
        if let Err(error) = stream.get_mut().write_all(request.as_bytes()) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
            connection = None;
            continue;
        }
        let answer = match hear_or_end(stream, framing) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            answer => answer.unwrap(),
        };
        let answer = answer.unwrap_or_else(|| panic!("{framing:?}: a request was not answered"));
        let asked_again = answer["error"]["data"]["kind"] == "shuttingDown";
        assert!(
            asked_again || answer["result"]["verdict"] == "accepted",
            "{answer}"
        );
        if asked_again || !stays {
            connection = None;
        }
    }
}

#[test]
fn no_client_is_refused_and_no_request_is_lost() {
    let running = Daemon::start();
    let path = signed(running.folder.root(), "a.wasm");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "verify", "params": {"path": path}})
        .to_string();
    let end = AtomicBool::new(false);
    let mut processes = vec![process(&running)];
    std::thread::scope(|scope| {
        for framing in Framing::ALL {
            for stays in [true, false] {
                let (socket, body, end) = (running.socket(), &body, &end);
                scope.spawn(move || ask_again_and_again(&socket, framing, stays, body, end));
            }
        }
        for _ in 0..8 {
            processes.push(running.restart());
        }
        end.store(true, Ordering::Relaxed);
    });
    let new = processes.pop().unwrap();
    assert_eq!(process(&running), new);
    until("they are gone", || {
        !processes.iter().any(|process| lives(*process))
    });
    assert!(!processes.contains(&new));
    assert!(lives(new) && running.is_locked());
    assert_eq!(running.lock_names(), new.to_string());
    // The socket is still one that goes with its service.
    running.connect().call("server/stop", &json!({})).unwrap();
    until("it is gone", || !lives(new));
    assert!(!running.socket().exists() && !running.is_locked());
}
