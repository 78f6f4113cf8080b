//! A proxy before a registry that answers in its place where a test says so, takes its time, and
//! stops in the middle.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: String,
    pub target: String,
    pub authorization: Option<String>,
    pub length: u64,
}

/// What the proxy answers by itself: a status, and a challenge.
pub type Instead = Option<(u16, String)>;

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Vec<(Head, u16)>>,
    /// Bytes of requests' bodies a second; 0 for as fast as it goes.
    rate: AtomicU64,
    /// Bytes of a body that pass.
    most: AtomicU64,
    /// Bodies of which that many have passed, and there are more.
    held: AtomicUsize,
}

impl Proxy {
    /// `decide` sees each request, and how many of its method with a body came before.
    pub fn before(
        registry: &str,
        decide: impl Fn(&Head, usize) -> Instead + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            rate: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
            held: AtomicUsize::new(0),
        });
        let proxy = Self {
            address,
            shared: Arc::clone(&shared),
        };
        let (registry, decide) = (registry.to_owned(), Arc::new(decide));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                let (registry, decide) = (registry.clone(), Arc::clone(&decide));
                std::thread::spawn(move || pass(stream, &registry, &shared, &*decide).ok());
            }
        });
        proxy
    }

    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Bytes of requests' bodies a second; 0 for as fast as it goes.
    pub fn throttle(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// From now on no more than that many bytes of any body pass, in either direction; what is longer
    /// stays where it is until its client goes away.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.held.store(0, Ordering::Relaxed);
        self.shared.most.store(bytes, Ordering::Relaxed);
    }

    /// How many bodies are held.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// The requests so far, and what each was answered by the proxy; 0 where the registry did.
    pub fn seen(&self) -> Vec<(Head, u16)> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    /// Passes a body on, and answers whether all of it has passed.
    fn body(
        &self,
        from: &mut impl Read,
        to: &mut TcpStream,
        mut left: u64,
        slowly: bool,
    ) -> std::io::Result<bool> {
        let mut piece = vec![0; 64 << 10];
        let mut may = self.most.load(Ordering::Relaxed);
        while left > 0 {
            if may == 0 {
                self.held.fetch_add(1, Ordering::Relaxed);
                return Ok(false);
            }
            let read = from.take(left.min(may)).read(&mut piece)?;
            if read == 0 {
                return Ok(left == u64::MAX);
            }
            to.write_all(&piece[..read])?;
            left = left.saturating_sub(read as u64);
            may -= read as u64;
            let rate = self.rate.load(Ordering::Relaxed);
            if slowly && rate > 0 {
                std::thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
            }
        }
        Ok(true)
    }
}

/// Waits until a client has gone; what it still sends gets no further.
fn until_gone(client: &mut impl Read) -> std::io::Result<()> {
    std::io::copy(client, &mut std::io::sink()).map(drop)
}

/// One request a connection.
fn pass(
    mut client: TcpStream,
    registry: &str,
    shared: &Shared,
    decide: &dyn Fn(&Head, usize) -> Instead,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let mut head = Head {
        method,
        target,
        authorization: None,
        length: 0,
    };
    let mut forwarded = first.clone();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => head.authorization = Some(value.to_owned()),
            "content-length" => head.length = value.parse().unwrap_or(0),
            "connection" => continue,
            _ => {}
        }
        forwarded += &line;
    }
    forwarded += "Connection: close\r\n\r\n";
    let before = {
        let seen = shared.seen.lock().unwrap();
        let alike = |(other, _): &&(Head, u16)| other.method == head.method && other.length > 0;
        seen.iter().filter(alike).count()
    };
    // It may take its time, and others pass meanwhile.
    let instead = decide(&head, before);
    let status = instead.as_ref().map_or(0, |(status, _)| *status);
    shared.seen.lock().unwrap().push((head.clone(), status));
    if let Some((status, challenge)) = instead {
        write!(
            client,
            "HTTP/1.1 {status} x\r\nWWW-Authenticate: {challenge}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        client.shutdown(Shutdown::Write)?;
        // A reset would overtake the answer.
        return until_gone(&mut reader);
    }
    let mut upstream = TcpStream::connect(registry)?;
    upstream.write_all(forwarded.as_bytes())?;
    if !shared.body(&mut reader, &mut upstream, head.length, true)? {
        return until_gone(&mut reader);
    }
    let mut answers = BufReader::new(upstream);
    let mut length = u64::MAX;
    loop {
        let mut line = Vec::new();
        answers.read_until(b'\n', &mut line)?;
        client.write_all(&line)?;
        let line = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(length);
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    if head.method != "HEAD" && !shared.body(&mut answers, &mut client, length, false)? {
        return until_gone(&mut reader);
    }
    Ok(())
}
