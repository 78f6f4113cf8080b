use super::*;
use std::os::fd::OwnedFd;

#[test]
#[rustfmt::skip] // a row of the table is a line
fn the_last_message_may_be_exit() {
    let check = |pieces: &[&str], expected: bool, why: &str| {
        let mut last = Last::default();
        for piece in pieces {
            last.push(piece.as_bytes());
        }
        assert_eq!(last.is_exit(), expected, "{why}");
    };
    let exit = r#"{"jsonrpc":"2.0","method":"exit"}"#;
    let framed = format!("Content-Length: 33\r\n\r\n{exit}");
    check(&[], false, "nothing");
    check(&[exit], true, "alone");
    check(&[exit, "\n"], true, "a line");
    check(&["{\"id\":1}\n", exit, "\r\n"], true, "after another line");
    check(&[&framed], true, "framed");
    check(&["Content-Length: 46\r\n\r\n", r#"{"params":null,"#, r#""method":"exit","jsonrpc":"2.0"}"#], true, "in pieces, as Neovim orders it");
    check(&[&format!("x\n{framed}")], true, "behind a body that ends so");
    check(&[&framed[..framed.len() - 1]], false, "not whole");
    check(&[&framed, "Content-Length: 2\r\n\r\n{}"], false, "before another");
    check(&[r#"{"method":"shutdown"}"#], false, "another method");
    check(&[&format!(r#"{{"a":"{}"}}"#, exit.replace('"', "\\\""))], false, "within a text");
    check(&[&"x".repeat(100_000), "\n", exit], true, "behind much");
}

/// A service of a few lines, and what becomes of a client's bytes.
fn joined(
    service: impl FnOnce(UnixStream) + Send + 'static,
    client: impl FnOnce(UnixStream) -> Vec<u8>,
) -> (End, Vec<u8>) {
    let pair = || UnixStream::pair().unwrap();
    let ((ours, theirs), (input, own), (output, read)) = (pair(), pair(), pair());
    let serving = thread::spawn(move || service(theirs));
    let file = |stream: UnixStream| File::from(OwnedFd::from(stream));
    let splicing = thread::spawn(move || splice(file(input), file(output), ours).unwrap());
    drop(client(own));
    let end = splicing.join().unwrap();
    serving.join().unwrap();
    let mut got = Vec::new();
    let _ = (&read).read_to_end(&mut got);
    (end, got)
}

#[test]
fn a_client_that_is_done_is_answered() {
    let (end, got) = joined(
        |mut service| {
            let mut asked = Vec::new();
            service.read_to_end(&mut asked).unwrap();
            asked.reverse();
            service.write_all(&asked).unwrap();
        },
        |mut client| {
            client.write_all(b"abc").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            Vec::new()
        },
    );
    assert_eq!((end, got.as_slice()), (End::Clean, &b"cba"[..]));
}

#[test]
fn a_service_that_ends_is_told_from_a_client_that_does() {
    let check = |said: &'static [u8], expected: End| {
        let (kept, until) = mpsc::channel::<()>();
        let (end, _) = joined(
            move |mut service| {
                let mut asked = vec![0; said.len()];
                service.read_exact(&mut asked).unwrap();
                drop(kept);
            },
            move |mut client| {
                client.write_all(said).unwrap();
                // It stays for longer than the service.
                let _ = until.recv();
                thread::sleep(MOMENT * 3);
                Vec::new()
            },
        );
        assert_eq!(end, expected);
    };
    check(b"{\"method\":\"verify\",\"id\":1}\n", End::Service);
    check(b"{\"method\":\"exit\"}\n", End::Clean);
}
