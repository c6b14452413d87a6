//! A server process of its own, and a TCP proxy that cuts connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// One server on a port of the system's choice; it ends with the value.
pub struct Server {
    process: Child,
    pub address: String,
    _home: tempfile::TempDir,
}

impl Server {
    /// Starts the server that `TEST_ENGRAM_BINARY` names, else the checkout's.
    pub fn start(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("address");
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin/engram");
        let binary = std::env::var_os("TEST_ENGRAM_BINARY").map_or(built, PathBuf::from);
        let mut command = Command::new(&binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ENGRAM_") {
                command.env_remove(name); // the server takes unknown ones for mistakes
            }
        }
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"])
            .arg("--listen-file")
            .arg(&file)
            .arg("--data-dir")
            .arg(home.path().join("data"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = command
            .spawn()
            .unwrap_or_else(|err| panic!("{}: {err}; run `make build`", binary.display()));
        let deadline = Instant::now() + Duration::from_secs(60);
        let address = loop {
            match std::fs::read_to_string(&file) {
                Ok(text) if text.ends_with('\n') || text.contains(':') => break text,
                _ if process.try_wait().unwrap().is_some() => panic!("the server ended"),
                _ => assert!(Instant::now() < deadline, "the server does not listen"),
            }
            thread::sleep(Duration::from_millis(10)); // a file tells no events
        };
        let address = address.trim().rsplit("//").next().unwrap().to_owned();
        while !ready(&address).unwrap_or(false) {
            assert!(Instant::now() < deadline, "the server does not get ready");
            thread::sleep(Duration::from_millis(10));
        }
        Self {
            process,
            address,
            _home: home,
        }
    }
}

/// Whether the server takes observations.
fn ready(address: &str) -> io::Result<bool> {
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Forwards connections to one server, and cuts them.
pub struct Proxy {
    shared: Arc<Shared>,
    pub address: String,
    local: SocketAddr,
}

struct Shared {
    target: String,
    pairs: Mutex<Vec<[TcpStream; 2]>>,
    left: AtomicI64, // bytes of clients until the cut; negative when none is armed
    pub cuts: AtomicUsize,
    ended: AtomicBool,
}

impl Proxy {
    pub fn new(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            pairs: Mutex::default(),
            left: AtomicI64::new(-1),
            cuts: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&accepting, &listener));
        Self {
            shared,
            address: local.to_string(),
            local,
        }
    }

    /// Cuts all connections once so many more bytes have come from clients.
    pub fn cut_after(&self, bytes: i64) {
        self.shared.left.store(bytes, Ordering::SeqCst);
    }

    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.local); // wakes the listener
        self.shared.cut();
    }
}

impl Shared {
    fn cut(&self) {
        let pairs = std::mem::take(&mut *self.pairs.lock().unwrap());
        if !pairs.is_empty() {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        for end in pairs.iter().flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Whether the armed cut falls due with so many bytes.
    fn due(&self, bytes: usize) -> bool {
        let before = self.left.load(Ordering::SeqCst);
        if before < 0 {
            return false;
        }
        let left = (before - i64::try_from(bytes).unwrap()).max(-1);
        self.left.store(left, Ordering::SeqCst);
        left <= 0
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(client), Ok(server)) = (client, TcpStream::connect(&shared.target)) else {
            continue;
        };
        let copies = |s: &TcpStream| s.try_clone().unwrap();
        let pair = [copies(&client), copies(&server)];
        shared.pairs.lock().unwrap().push(pair);
        for (from, to, counted) in [
            (copies(&client), copies(&server), true),
            (server, client, false),
        ] {
            let shared = Arc::clone(shared);
            thread::spawn(move || {
                let _ = forward(&shared, &from, &to, counted);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}

fn forward(
    shared: &Shared,
    mut from: &TcpStream,
    mut to: &TcpStream,
    counted: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        if counted && shared.due(n) {
            to.write_all(&buffer[..n / 2])?; // in the middle of a frame
            shared.cut();
            return Ok(());
        }
        to.write_all(&buffer[..n])?;
    }
}
