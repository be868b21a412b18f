//! Sentinels, who know which server is the master.

use std::{collections::HashMap, fmt, pin::pin, time::Duration};

use deadpool_redis::redis::{ConnectionInfo, PushInfo, RedisResult, Value, cmd, pipe};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    select,
    time::{sleep, timeout},
};

use super::{address, connection::Connection, failure};

/// How long all sentinels are waited for. Less than an attempt to connect may take.
const ALL_ANSWER: Duration = Duration::from_millis(200);
/// How long one of them is waited for, if none has answered by then.
const ONE_ANSWERS: Duration = Duration::from_millis(500);
/// How often they are asked whether the master is still the same.
const BETWEEN_ENQUIRIES: Duration = Duration::from_secs(1);

/// The sentinels of one master.
pub(super) struct Sentinels {
    pub(super) infos: Vec<ConnectionInfo>,
    pub(super) master: String,
    /// How the servers are spoken to that the sentinels name.
    pub(super) servers: ConnectionInfo,
}

/// What one supervisor has learned of its master.
#[derive(Default)]
pub(super) struct Enquiry {
    /// In the order of the sentinels; kept open.
    connections: Vec<Option<Connection>>,
    /// The address last dialled.
    dialled: String,
}

impl Sentinels {
    /// Connects to the master, or says why not.
    pub(super) async fn dial(
        &self,
        enquiry: &mut Enquiry,
        bound: Duration,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connection, String> {
        enquiry.dialled = self.master(enquiry).await?;
        let info = address::at(&enquiry.dialled, &self.servers).ok_or(MISUNDERSTOOD)?;
        let connection = Connection::dial(&info, bound, on_push).await;
        let mut connection = connection.map_err(|error| failure::reason(&error))?;
        // A sentinel may not have heard yet. Where ROLE is forbidden, READONLY tells later.
        let role: RedisResult<Vec<Value>> = cmd("ROLE").query_async(&mut connection).await;
        match role.as_deref().map(<[_]>::first) {
            Ok(Some(Value::BulkString(role))) if role != b"master" => {
                Err("the sentinels name a replica".to_owned())
            }
            _ => Ok(connection),
        }
    }

    /// Returns once another master is named than the one dialled.
    ///
    /// A master that was cut off and is back takes some seconds to learn that it is none any
    /// more, and its connections stay open for as long.
    pub(super) async fn until_superseded(&self, enquiry: &mut Enquiry) {
        loop {
            sleep(BETWEEN_ENQUIRIES).await;
            if self.master(enquiry).await.is_ok_and(|master| master != enquiry.dialled) {
                return;
            }
        }
    }

    /// Asks all sentinels for the master's address. One that hangs holds the others up only for a
    /// moment. Of different answers the one that stems from
    /// the latest election counts: a sentinel that is cut off from the others goes on naming the
    /// master of its time.
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

    /// Asks one sentinel: the number of the election, and who came out of it.
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
            // The first answer has an address too, but the old one while the other replicas are
            // being told; the second has no number.
            let answers: (HashMap<String, String>, (String, String)) = pipe()
                .cmd("SENTINEL")
                .arg("MASTER")
                .arg(&self.master)
                .cmd("SENTINEL")
                .arg("GET-MASTER-ADDR-BY-NAME")
                .arg(&self.master)
                .query_async(&mut connection)
                .await?;
            // Only one that answers is used again.
            *open = Some(connection);
            RedisResult::Ok(answers)
        };
        let (master, (host, port)) = match timeout(ONE_ANSWERS, exchange).await {
            Ok(answers) => answers.map_err(|error| failure::reason(&error))?,
            Err(_) => return Err("timed out".to_owned()),
        };
        let election = master.get("config-epoch").and_then(|number| number.parse().ok());
        Ok((election.ok_or(MISUNDERSTOOD)?, format!("{host}:{port}")))
    }
}

const MISUNDERSTOOD: &str = "answered what is not understood";

/// The master's name and where the sentinels are.
impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.master)?;
        for (place, info) in self.infos.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { " of " } else { "," }, info.addr())?;
        }
        Ok(())
    }
}
