//! Time limits that a busy thread does not turn into failures.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::{Instant, error::Elapsed, timeout_at};

/// A timer that fires this much too late shows that the thread was busy: the answer may have
/// arrived, and nobody has read it.
const LATE: Duration = Duration::from_millis(10);
/// How long a thread that was busy takes to read what has arrived.
const GRACE: Duration = Duration::from_millis(50);

/// Awaits a future until a deadline. If the thread was too busy to notice the deadline, looks for
/// the answer once more.
///
/// # Errors
///
/// [`Elapsed`] if there is no answer.
pub(crate) async fn until<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match timeout_at(deadline, &mut future).await {
        Ok(output) => Ok(output),
        Err(elapsed) => match second_look(deadline) {
            Some(later) => timeout_at(later, future).await,
            None => Err(elapsed),
        },
    }
}

/// Returns until when to look for an answer once more, or `None` if the thread was not busy when
/// the deadline passed.
pub(crate) fn second_look(deadline: Instant) -> Option<Instant> {
    let now = Instant::now();
    (now >= deadline + LATE).then(|| now + GRACE)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::sleep,
    };

    use super::*;

    #[tokio::test]
    async fn an_answer_that_arrived_while_the_thread_was_busy_counts() {
        let (mut here, mut there) = duplex(8);
        let answer = tokio::spawn(async move {
            let deadline = Instant::now() + Duration::from_millis(30);
            until(deadline, async {
                // Two steps, as of a connection's task and of the request that waits for it.
                let mut byte = [0];
                here.read_exact(&mut byte).await.unwrap();
                tokio::task::yield_now().await;
                byte
            })
            .await
        });
        sleep(Duration::from_millis(5)).await;
        there.write_all(b"x").await.unwrap();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(answer.await.unwrap().unwrap(), *b"x");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_busy_thread_the_deadline_is_exact() {
        let began = Instant::now();
        let limit = Duration::from_millis(30);
        assert!(until(began + limit, std::future::pending::<()>()).await.is_err());
        assert_eq!(began.elapsed(), limit);
    }
}
