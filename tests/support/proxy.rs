//! A TCP proxy in front of a Redis server that counts commands and injects network faults.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

/// A proxy on a free port that forwards all traffic unless told otherwise. Each thread ends with
/// its connection.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    harm: Harm,
    commands: Vec<String>,
    round_trips: usize,
    /// Whether the last bytes were an answer, so that the next command begins a round trip.
    answered: bool,
    connections: Vec<(TcpStream, TcpStream)>,
    /// How many connections have been accepted.
    accepted: usize,
    /// Connections with a lower number are forgotten.
    forgotten: usize,
    /// A word in what clients send, and the one of equal length that is forwarded instead.
    replaced: Option<(&'static str, &'static str)>,
    ended: bool,
}

/// A fault in the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Harm {
    #[default]
    None,
    /// Closes existing connections, and new ones at once.
    Refuse,
    /// Accepts connections and discards everything sent in either direction.
    Swallow,
    /// Delays answers.
    Delay(Duration),
    /// Forwards this number of bytes of the next answer, then closes the connection.
    Truncate(usize),
    /// Forwards this number of bytes of the next answer, then resets the connection.
    Reset(usize),
}

impl Proxy {
    /// Starts a proxy in front of the server on this port of the same machine.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let state = Arc::new(Mutex::new(State {
            harm: Harm::None,
            commands: Vec::new(),
            round_trips: 0,
            answered: true,
            connections: Vec::new(),
            accepted: 0,
            forgotten: 0,
            replaced: None,
            ended: false,
        }));
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let mut state = lock(&shared);
                if state.ended {
                    return;
                }
                state.accepted += 1;
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                if state.harm != Harm::Refuse {
                    state.forward(&client, &server, &shared);
                }
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sets the fault from now on.
    pub fn harm(&self, harm: Harm) {
        lock(&self.state).harm = harm;
        if harm == Harm::Refuse {
            self.cut();
        }
    }

    /// Forgets the connections that are open now, as load balancers do: discards everything sent
    /// over them in either direction, without closing them. New connections are forwarded.
    pub fn forget_connections(&self) {
        let mut state = lock(&self.state);
        state.forgotten = state.accepted + 1;
    }

    /// Forwards another word of equal length instead of `word` from now on.
    pub fn replace(&self, word: &'static str, by: &'static str) {
        assert_eq!(word.len(), by.len());
        lock(&self.state).replaced = Some((word, by));
    }

    /// Counts the connections that have been accepted.
    pub fn accepted(&self) -> usize {
        lock(&self.state).accepted
    }

    /// Closes all connections.
    pub fn cut(&self) {
        for (client, server) in lock(&self.state).connections.drain(..) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Resets the counts.
    pub fn reset(&self) {
        let mut state = lock(&self.state);
        state.commands.clear();
        (state.round_trips, state.answered) = (0, true);
    }

    /// Waits until no command has passed for 300 ms, so that the background work of a server's
    /// start or a session's first use is complete.
    pub fn wait_until_idle(&self) {
        let (mut seen, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_millis(300) {
            let count = self.commands().len();
            if count != seen {
                (seen, since) = (count, Instant::now());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The names of the commands that have passed, in order.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.state).commands.clone()
    }

    /// Counts the round trips: commands that were sent after an answer.
    pub fn round_trips(&self) -> usize {
        lock(&self.state).round_trips
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.state).ended = true;
        self.cut();
        // Wakes the listening thread, which then ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    /// Starts one thread for each direction of a connection.
    fn forward(&mut self, client: &TcpStream, server: &TcpStream, shared: &Arc<Mutex<Self>>) {
        let copy = |stream: &TcpStream| {
            let _ = stream.set_nodelay(true);
            stream.try_clone().expect("a socket can be cloned")
        };
        self.connections.push((copy(client), copy(server)));
        let (peer, number) = (client.peer_addr(), self.accepted);
        let is_reset = Arc::<AtomicBool>::default();
        let (from, to, state) = (copy(client), copy(server), shared.clone());
        let other_resets = is_reset.clone();
        thread::spawn(move || {
            let mut commands = Commands::default();
            pump(from, to, &other_resets, |bytes| {
                let mut state = lock(&state);
                if number < state.forgotten {
                    return Forwarded::Nothing;
                }
                for command in commands.feed(bytes) {
                    if std::mem::take(&mut state.answered) {
                        state.round_trips += 1;
                    }
                    state.commands.push(command);
                }
                match state.replaced {
                    _ if state.harm == Harm::Swallow => Forwarded::Nothing,
                    Some((word, by)) => Forwarded::Instead(replace(bytes, word, by)),
                    None => Forwarded::All,
                }
            });
        });
        let (from, to, state) = (copy(server), copy(client), shared.clone());
        thread::spawn(move || {
            pump(from, to, &is_reset, |_| {
                let (harm, forgotten) = {
                    let state = lock(&state);
                    (state.harm, state.forgotten)
                };
                if number < forgotten {
                    return Forwarded::Nothing;
                }
                match harm {
                    Harm::None | Harm::Refuse => {}
                    Harm::Swallow => return Forwarded::Nothing,
                    Harm::Delay(delay) => thread::sleep(delay),
                    Harm::Truncate(length) => {
                        lock(&state).harm = Harm::None;
                        return Forwarded::Part(length);
                    }
                    Harm::Reset(length) => {
                        let mut state = lock(&state);
                        state.harm = Harm::None;
                        // The socket is reset when its last handle is dropped, so none is kept.
                        let is_other = |client: &TcpStream| {
                            client.peer_addr().ok().as_ref() != peer.as_ref().ok()
                        };
                        state.connections.retain(|(client, _)| is_other(client));
                        is_reset.store(true, Ordering::Relaxed);
                        return Forwarded::PartThenReset(length);
                    }
                }
                lock(&state).answered = true;
                Forwarded::All
            });
        });
    }
}

/// The part of the received bytes to forward.
enum Forwarded {
    All,
    Nothing,
    /// Other bytes.
    Instead(Vec<u8>),
    /// This number of bytes; then the connection is closed.
    Part(usize),
    /// This number of bytes; then the connection is reset.
    PartThenReset(usize),
}

fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    is_reset: &AtomicBool,
    mut inspect: impl FnMut(&[u8]) -> Forwarded,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        let passed = match inspect(bytes) {
            Forwarded::All => to.write_all(bytes),
            Forwarded::Nothing => Ok(()),
            Forwarded::Instead(bytes) => to.write_all(&bytes),
            Forwarded::Part(length) => {
                let _ = to.write_all(&bytes[..length.min(bytes.len())]);
                break;
            }
            Forwarded::PartThenReset(length) => {
                let _ = to.write_all(&bytes[..length.min(bytes.len())]);
                let _ = SockRef::from(&to).set_linger(Some(Duration::ZERO));
                // Wakes the thread of the other direction without sending anything to the client.
                let _ = to.shutdown(Shutdown::Read);
                break;
            }
        };
        if passed.is_err() {
            break;
        }
    }
    if is_reset.load(Ordering::Relaxed) {
        // A shutdown would close the connection before the reset.
        return;
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Replaces a word that is not split over two reads.
fn replace(bytes: &[u8], word: &str, by: &str) -> Vec<u8> {
    let mut replaced = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(word.len() - 1) {
        if bytes[at..].starts_with(word.as_bytes()) {
            replaced[at..at + by.len()].copy_from_slice(by.as_bytes());
        }
    }
    replaced
}

/// Extracts the names of commands, which are arrays of bulk strings, from a stream.
#[derive(Default)]
struct Commands {
    rest: Vec<u8>,
}

impl Commands {
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut names = Vec::new();
        let mut read = 0;
        while let Some((name, length)) = command(&self.rest[read..]) {
            names.push(name);
            read += length;
        }
        self.rest.drain(..read);
        names
    }
}

/// Parses one command. Returns its name in capitals and its length in bytes.
fn command(bytes: &[u8]) -> Option<(String, usize)> {
    let (count, mut at) = number(bytes, b'*', 0)?;
    let mut name = String::new();
    for place in 0..count {
        let (length, start) = number(bytes, b'$', at)?;
        let argument = bytes.get(start..start + length)?;
        at = start + length + 2;
        if bytes.len() < at {
            return None;
        }
        if place == 0 {
            name = String::from_utf8_lossy(argument).to_ascii_uppercase();
        }
    }
    Some((name, at))
}

/// Parses `<mark><number>\r\n` at `at`. Returns the number and the position after it.
fn number(bytes: &[u8], mark: u8, at: usize) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    assert_eq!(line[0], mark, "a client sends arrays of bulk strings");
    let digits = std::str::from_utf8(&line[1..end]).expect("a number");
    Some((digits.parse().expect("a number"), at + end + 2))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no thread panics with the lock")
}
