//! One open connection, and the only place that dials.

use std::{sync::Arc, time::Duration};

use deadpool_redis::{
    Manager, Pool, PoolError,
    redis::{
        AsyncConnectionConfig, Cmd, ConnectionInfo, Pipeline, PushInfo, RedisError, RedisFuture,
        RedisResult, Value,
        aio::{ConnectionLike, MultiplexedConnection},
        cmd,
    },
};

use super::confirmations::Confirmations;

/// An open connection that many requests share. Clones are the same connection.
#[derive(Clone)]
pub(crate) struct Connection {
    redis: MultiplexedConnection,
    confirmations: Arc<Confirmations>,
}

impl Connection {
    /// Connects, within `timeout`.
    ///
    /// `on_push` is called with every push message of the server and, as a push of its own kind,
    /// when the connection ends. It must not block.
    pub(crate) async fn dial(
        info: &ConnectionInfo,
        timeout: Duration,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            // Operations have deadlines of their own.
            .set_response_timeout(None)
            .set_push_sender(move |push| {
                on_push(push);
                Ok::<(), ()>(())
            });
        // Taken out of the pool for good: a checkout for each request would send PING and UNWATCH
        // every time, and a connection that is not shared cannot pipeline.
        let manager = Manager::new_with_config(info.clone(), config)?;
        let pool = Pool::builder(manager)
            .max_size(1)
            .build()
            .expect("a pool without timeouts needs no runtime");
        let connection = pool.get().await.map_err(from_pool)?;
        Ok(Self {
            redis: deadpool_redis::Connection::take(connection),
            confirmations: Arc::default(),
        })
    }

    /// Sends a command. Dropping the future does not keep the command from being sent.
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.redis.req_packed_command(command).await?.extract_error()
    }

    /// Sends a command behind `ASKING`, for a cluster node that is importing the slot.
    pub(crate) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        let mut both = Pipeline::with_capacity(2);
        both.add_command(cmd("ASKING")).add_command(command.clone());
        let mut answers = self.redis.req_packed_commands(&both, 1, 1).await?;
        answers.pop().unwrap_or(Value::Nil).extract_error()
    }

    /// Waits until `replicas` have every write answered over this connection so far. Has no time
    /// limit of its own.
    pub(crate) async fn confirm(&mut self, replicas: usize) -> RedisResult<()> {
        self.confirmations.clone().await_all(&mut self.redis, replicas).await
    }
}

fn from_pool(error: PoolError) -> RedisError {
    match error {
        PoolError::Backend(error) => error,
        _ => unreachable!("a new pool without hooks and timeouts only ever connects"),
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.redis.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.redis.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.redis.get_db()
    }
}
