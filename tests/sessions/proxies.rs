//! Proxies of the service's environment.

use super::*;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// A SOCKS5 proxy (RFC 1928) on which all names lead to one place; how often it was asked.
fn socks(to: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let (asked, count) = shared(AtomicUsize::new(0));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (to, asked) = (to.clone(), Arc::clone(&asked));
            // A client that goes away does not fail the test.
            thread::spawn(move || lead(client, &to, &asked).ok());
        }
    });
    (name, count)
}

fn lead(mut client: TcpStream, to: &str, asked: &AtomicUsize) -> io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    client.read_exact(&mut vec![0; head[1].into()])?;
    client.write_all(&[5, 0])?;
    let mut request = [0; 5];
    client.read_exact(&mut request)?;
    assert_eq!(request[..4], [5, 1, 0, 3], "a name, to be resolved here");
    let mut name = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut name)?;
    assert!(name.starts_with(b"registry.invalid"));
    asked.fetch_add(1, Ordering::Relaxed);
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let mut registry = TcpStream::connect(to)?;
    let (mut back, mut client_again) = (registry.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut back, &mut client_again);
        let _ = client_again.shutdown(Shutdown::Both);
    });
    io::copy(&mut client, &mut registry)?;
    registry.shutdown(Shutdown::Both)
}

const ELSEWHERE: &str = "[registry.\"registry.invalid:5000\"]\nplain-http = true\n";

#[test]
fn a_socks_proxy_leads_to_the_registry() {
    let registry = Registry::open();
    let (proxy, asked) = socks(registry.name());
    let proxy = format!("socks5h://{proxy}");
    let daemon = Daemon::configured(ELSEWHERE, &[("ALL_PROXY", Path::new(&proxy))]);
    let modules = Modules::new();
    let (path, reference) = (modules.make(SMALL), "registry.invalid:5000/acme/echo:1");
    let mut client = daemon.connect();
    push(&mut client, &path, reference).unwrap();
    pull(&mut client, &modules.pulled(), reference).unwrap();
    assert!(asked.load(Ordering::Relaxed) > 0);
    assert!(client.call("server/status", &json!({})).unwrap()["proxyError"].is_null());
}

/// GNOME sets such a one by itself.
#[test]
fn a_proxy_that_cannot_be_used_fails_what_needs_it_alone() {
    let registry = Registry::open();
    let proxy = Path::new("socks://ann:planted@127.0.0.1:1080/");
    let daemon = Daemon::logging_all(ELSEWHERE, &[("ALL_PROXY", proxy)]);
    let modules = Modules::new();
    let path = modules.make(SMALL);
    let mut client = daemon.connect();
    let verified = client.call("verify", &json!({"path": path})).unwrap();
    assert_eq!(verified["verdict"], "accepted");
    // No proxy leads to this machine.
    let here = format!("{}/acme/echo:1", registry.name());
    push(&mut client, &path, &here).unwrap();
    let error = push(&mut client, &path, "registry.invalid:5000/acme/echo:1").unwrap_err();
    assert_eq!(kind(&error), "insecureRegistry", "{error}");
    assert!(error["message"].as_str().unwrap().contains("ALL_PROXY"));
    let status = client.call("server/status", &json!({})).unwrap();
    assert!(status["proxyError"].as_str().unwrap().contains("ALL_PROXY"));
    let log = daemon.log();
    assert!(log.contains("ALL_PROXY cannot be used as a proxy"), "{log}");
    assert!(!format!("{status} {error} {log}").contains("planted"));
}
