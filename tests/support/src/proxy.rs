//! A proxy before a registry that answers in its place where a test says so, and takes its time.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
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
    seen: Arc<Mutex<Vec<(Head, u16)>>>,
    rate: Arc<AtomicU64>,
}

impl Proxy {
    /// `decide` sees each request, and how many of its method with a body came before.
    pub fn before(
        registry: &str,
        decide: impl Fn(&Head, usize) -> Instead + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, rate) = (Arc::default(), Arc::new(AtomicU64::new(0)));
        let proxy = Self {
            address,
            seen: Arc::clone(&seen),
            rate: Arc::clone(&rate),
        };
        let (registry, decide) = (registry.to_owned(), Arc::new(decide));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, rate) = (Arc::clone(&seen), Arc::clone(&rate));
                let (registry, decide) = (registry.clone(), Arc::clone(&decide));
                std::thread::spawn(move || pass(stream, &registry, &seen, &rate, &*decide).ok());
            }
        });
        proxy
    }

    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Bytes of requests' bodies a second; 0 for as fast as it goes.
    pub fn throttle(&self, rate: u64) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// The requests so far, and what each was answered by the proxy; 0 where the registry did.
    pub fn seen(&self) -> Vec<(Head, u16)> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request a connection.
fn pass(
    mut client: TcpStream,
    registry: &str,
    seen: &Mutex<Vec<(Head, u16)>>,
    rate: &AtomicU64,
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
    let instead = {
        let mut seen = seen.lock().unwrap();
        let alike = |(other, _): &&(Head, u16)| other.method == head.method && other.length > 0;
        let instead = decide(&head, seen.iter().filter(alike).count());
        seen.push((
            head.clone(),
            instead.as_ref().map_or(0, |(status, _)| *status),
        ));
        instead
    };
    if let Some((status, challenge)) = instead {
        write!(
            client,
            "HTTP/1.1 {status} x\r\nWWW-Authenticate: {challenge}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        client.shutdown(Shutdown::Write)?;
        // A reset would overtake the answer.
        std::io::copy(&mut reader, &mut std::io::sink())?;
        return Ok(());
    }
    let mut upstream = TcpStream::connect(registry)?;
    upstream.write_all(forwarded.as_bytes())?;
    let mut left = head.length;
    let mut piece = vec![0; 64 << 10];
    while left > 0 {
        let read = reader.by_ref().take(left).read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        upstream.write_all(&piece[..read])?;
        left -= read as u64;
        let rate = rate.load(Ordering::Relaxed);
        if rate > 0 {
            std::thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
        }
    }
    std::io::copy(&mut upstream, &mut client)?;
    Ok(())
}
