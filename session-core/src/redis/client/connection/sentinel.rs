//! Sentinels, which know the address of the current master.

use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool_redis::redis::{ProtocolVersion, RedisResult, pipe};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    super::{
        failure::{self, Problem},
        patience,
        schedule::Schedule,
    },
    endpoint::Endpoint,
    multiplexed::Connection,
    target::Limits,
};

/// How long to wait for the other sentinels once one has answered.
const ALL_ANSWER: Duration = Duration::from_millis(200);
/// The pause between two enquiries whether the master is still the same.
const BETWEEN_ENQUIRIES: Duration = Duration::from_secs(1);
/// How long an answer is used again, by other threads that connect at the same time.
const FRESH: Duration = Duration::from_millis(100);

/// The sentinels of one master. All threads share what they answer.
pub(crate) struct Sentinels {
    endpoints: Vec<Endpoint>,
    master: String,
    /// How to connect to the servers that the sentinels name; the address is replaced.
    servers: Endpoint,
    /// One for each sentinel, in their order; kept open.
    // A std mutex: a connection is taken out or put back, never held across an await.
    connections: Mutex<Vec<Option<Connection>>>,
    /// The enquiries while the master is connected to.
    enquiries: Schedule,
    known: watch::Sender<Option<Known>>,
}

/// The latest answer.
#[derive(Clone)]
struct Known {
    address: String,
    asked: Instant,
}

impl Sentinels {
    pub(crate) fn new(endpoints: Vec<Endpoint>, master: String, servers: Endpoint) -> Self {
        let connections = Mutex::new(endpoints.iter().map(|_| None).collect());
        let enquiries = Schedule::new(BETWEEN_ENQUIRIES, BETWEEN_ENQUIRIES);
        let known = watch::Sender::new(None);
        Self { endpoints, master, servers, connections, enquiries, known }
    }

    /// Returns where the current master is.
    pub(super) async fn master(&self, limits: Limits) -> Result<Endpoint, Problem> {
        let fresh = self.known.borrow().clone().filter(|known| known.asked.elapsed() < FRESH);
        let address = match fresh {
            Some(known) => known.address,
            None => self.enquire(limits).await.map_err(Problem::unreachable)?,
        };
        self.servers.at(&address).ok_or_else(|| Problem::unreachable(UNEXPECTED))
    }

    /// Returns once the sentinels name another master than the one at `address`.
    ///
    /// A master that was cut off and is back needs some seconds to learn that it has been replaced,
    /// and keeps its connections open until then.
    pub(super) async fn until_superseded(&self, address: &str, limits: Limits) {
        let mut known = self.known.subscribe();
        let is_other =
            |known: &Option<Known>| known.as_ref().is_some_and(|known| known.address != address);
        let enquire = async {
            loop {
                self.enquiries.turn().await;
                // The connections' own supervisors find out whether the master is away.
                let _ = self.enquire(limits).await;
            }
        };
        select! {
            _ = known.wait_for(is_other) => {}
            () = enquire => {}
        }
    }

    /// Asks all sentinels for the master's address. A sentinel that hangs delays the answer only
    /// briefly.
    ///
    /// If the answers differ, the one from the latest election counts, because a sentinel that is
    /// cut off from the others keeps naming an old master.
    async fn enquire(&self, limits: Limits) -> Result<String, String> {
        let asked = Instant::now();
        let mut answers: FuturesUnordered<_> =
            (0..self.endpoints.len()).map(|number| self.ask(number, limits)).collect();
        let mut all_answer = pin!(sleep(ALL_ANSWER.min(limits.connect_timeout / 2)));
        let mut failure = "no sentinel".to_owned();
        let mut latest = None;
        while latest.is_none() || !all_answer.is_elapsed() {
            select! {
                answer = answers.next() => match answer {
                    Some(Ok(answer)) => latest = latest.max(Some(answer)),
                    Some(Err(reason)) => failure = reason,
                    None => break,
                },
                () = &mut all_answer, if !all_answer.is_elapsed() => {}
            }
        }
        let (_, address) = latest.ok_or_else(|| format!("sentinels: {failure}"))?;
        self.known.send_replace(Some(Known { address: address.clone(), asked }));
        Ok(address)
    }

    /// Asks one sentinel for the number of the latest election and the address of its winner.
    async fn ask(&self, number: usize, limits: Limits) -> Result<(u64, String), String> {
        let open = self.connections()[number].take().filter(|open| !open.is_lost());
        // What a sentinel that hangs may take of an attempt to connect.
        let limit = limits.connect_timeout / 2;
        let exchange = async {
            let mut connection = match open {
                Some(connection) => connection,
                None => {
                    let endpoint = &self.endpoints[number];
                    let resp3 = ProtocolVersion::RESP3;
                    let dialled = Connection::dial(endpoint, resp3, limit, None).await?;
                    dialled.map_err(|error| failure::reason(&error))?
                }
            };
            // Two questions: the first answer names the old address until all replicas have been
            // reconfigured, the second has no election number.
            let answers: RedisResult<(HashMap<String, String>, (String, String))> = pipe()
                .cmd("SENTINEL")
                .arg("MASTER")
                .arg(&self.master)
                .cmd("SENTINEL")
                .arg("GET-MASTER-ADDR-BY-NAME")
                .arg(&self.master)
                .query_async(&mut connection)
                .await;
            let answers = answers.map_err(|error| failure::reason(&error))?;
            // Kept only after an answer, so that a hung connection is not reused.
            self.connections()[number] = Some(connection);
            Ok::<_, String>(answers)
        };
        let answers = patience::until(Instant::now() + limit, exchange).await;
        let (master, (host, port)) = answers.unwrap_or_else(|_| Err("timed out".to_owned()))?;
        let election = master.get("config-epoch").and_then(|number| number.parse().ok());
        Ok((election.ok_or(UNEXPECTED)?, format!("{host}:{port}")))
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Option<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const UNEXPECTED: &str = "answered something unexpected";

/// Shows the master's name and the addresses of the sentinels.
impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.master)?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            write!(f, "{}{endpoint}", if index == 0 { " of " } else { "," })?;
        }
        Ok(())
    }
}
