//! Sentinels, which know the address of the current master.

use std::{collections::HashMap, fmt, pin::pin, time::Duration};

use deadpool_redis::redis::{ConnectionInfo, PushInfo, RedisResult, Value, cmd, pipe};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    select,
    time::{sleep, timeout},
};

use super::{super::failure, address::connection_info_at, multiplexed::Connection};

/// How long to wait for all sentinels. Shorter than an attempt to connect may take.
const ALL_ANSWER: Duration = Duration::from_millis(200);
/// How long to wait for a first answer if none has come by then.
const ONE_ANSWERS: Duration = Duration::from_millis(500);
/// The pause between two enquiries whether the master is still the same.
const BETWEEN_ENQUIRIES: Duration = Duration::from_secs(1);

/// The sentinels of one master.
pub(crate) struct Sentinels {
    pub(crate) infos: Vec<ConnectionInfo>,
    pub(crate) master: String,
    /// How to connect to the servers that the sentinels name; the address is replaced.
    pub(crate) servers: ConnectionInfo,
}

/// What one supervisor has learned about its master.
#[derive(Default)]
pub(super) struct Enquiry {
    /// One for each sentinel, in their order; kept open.
    connections: Vec<Option<Connection>>,
    /// The address last dialled.
    dialled: String,
}

impl Sentinels {
    /// Connects to the current master, or says why not.
    pub(super) async fn dial(
        &self,
        enquiry: &mut Enquiry,
        timeout: Duration,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connection, String> {
        enquiry.dialled = self.master(enquiry).await?;
        let info = connection_info_at(&enquiry.dialled, &self.servers).ok_or(UNEXPECTED)?;
        let connection = Connection::dial(&info, timeout, on_push).await;
        let mut connection = connection.map_err(|error| failure::reason(&error))?;
        // The sentinels may not know of a failover yet. Where ROLE is forbidden, a READONLY error
        // will tell.
        let role: RedisResult<Vec<Value>> = cmd("ROLE").query_async(&mut connection).await;
        match role.as_deref().map(<[_]>::first) {
            Ok(Some(Value::BulkString(role))) if role != b"master" => {
                Err("the sentinels name a replica".to_owned())
            }
            _ => Ok(connection),
        }
    }

    /// Returns once the sentinels name another master than the one dialled.
    ///
    /// A master that was cut off and is back needs some seconds to learn that it has been replaced,
    /// and keeps its connections open until then.
    pub(super) async fn until_superseded(&self, enquiry: &mut Enquiry) {
        loop {
            sleep(BETWEEN_ENQUIRIES).await;
            if self.master(enquiry).await.is_ok_and(|master| master != enquiry.dialled) {
                return;
            }
        }
    }

    /// Asks all sentinels for the master's address. A sentinel that hangs delays the answer only
    /// briefly.
    ///
    /// If the answers differ, the one from the latest election counts, because a sentinel that is
    /// cut off from the others keeps naming an old master.
    async fn master(&self, enquiry: &mut Enquiry) -> Result<String, String> {
        enquiry.connections.resize_with(self.infos.len(), || None);
        let asked = self.infos.iter().zip(&mut enquiry.connections);
        let mut asked: FuturesUnordered<_> =
            asked.map(|(info, connection)| self.ask(info, connection)).collect();
        let mut all_answer = pin!(sleep(ALL_ANSWER));
        let mut failure = "no sentinel".to_owned();
        let mut latest = None;
        while latest.is_none() || !all_answer.is_elapsed() {
            select! {
                answer = asked.next() => match answer {
                    Some(Ok(answer)) => latest = latest.max(Some(answer)),
                    Some(Err(reason)) => failure = reason,
                    None => break,
                },
                () = &mut all_answer, if !all_answer.is_elapsed() => {}
            }
        }
        latest.map(|(_, address)| address).ok_or_else(|| format!("sentinels: {failure}"))
    }

    /// Asks one sentinel for the number of the latest election and the address of its winner.
    async fn ask(
        &self,
        info: &ConnectionInfo,
        open: &mut Option<Connection>,
    ) -> Result<(u64, String), String> {
        let exchange = async {
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => Connection::dial(info, ONE_ANSWERS, |_| {}).await?,
            };
            // Two questions: the first answer names the old address until all replicas have been
            // reconfigured, the second has no election number.
            let answers: (HashMap<String, String>, (String, String)) = pipe()
                .cmd("SENTINEL")
                .arg("MASTER")
                .arg(&self.master)
                .cmd("SENTINEL")
                .arg("GET-MASTER-ADDR-BY-NAME")
                .arg(&self.master)
                .query_async(&mut connection)
                .await?;
            // Kept only after an answer, so that a hung connection is not reused.
            *open = Some(connection);
            RedisResult::Ok(answers)
        };
        let (master, (host, port)) = match timeout(ONE_ANSWERS, exchange).await {
            Ok(answers) => answers.map_err(|error| failure::reason(&error))?,
            Err(_) => return Err("timed out".to_owned()),
        };
        let election = master.get("config-epoch").and_then(|number| number.parse().ok());
        Ok((election.ok_or(UNEXPECTED)?, format!("{host}:{port}")))
    }
}

const UNEXPECTED: &str = "answered something unexpected";

/// Shows the master's name and the addresses of the sentinels.
impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.master)?;
        for (index, info) in self.infos.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { " of " } else { "," }, info.addr())?;
        }
        Ok(())
    }
}
