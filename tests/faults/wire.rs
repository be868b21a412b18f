//! What can happen between the servers and Redis.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    alone,
    ordeal::{Cost, Ordeal, TIMEOUT},
    redis::both,
    support::{
        proxy::{Harm, Proxy},
        redis::RedisServer,
    },
};

#[test]
fn g8_a_redis_slower_than_the_timeout_is_not_waited_for() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = Ordeal::begin("answers 700 ms late", both(&proxy.url()))
        .strike(|_| {
            proxy.harm(Harm::Delay(TIMEOUT + Duration::from_millis(200)));
            sleep(Duration::from_millis(1500));
            proxy.harm(Harm::None);
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_a_slow_redis_makes_requests_slow_and_nothing_else() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    Ordeal::begin("answers 30 ms late", both(&proxy.url()))
        .strike(|_| {
            proxy.harm(Harm::Delay(Duration::from_millis(30)));
            sleep(Duration::from_millis(1500));
            proxy.harm(Harm::None);
        })
        .end(Cost::Unavailable);
}

#[test]
fn g8_a_redis_that_accepts_and_never_answers_is_not_waited_for() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = Ordeal::begin("accepts, never answers", both(&proxy.url()))
        .strike(|_| {
            proxy.harm(Harm::Swallow);
            sleep(Duration::from_millis(1500));
            // What has been swallowed never arrives, so those connections cannot go on.
            proxy.cut();
            proxy.harm(Harm::None);
            proxy.cut();
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g7_answers_cut_off_at_any_byte_acknowledge_nothing() {
    cut_off("answers cut off", Harm::Truncate);
}

#[test]
fn g7_answers_reset_at_any_byte_acknowledge_nothing() {
    cut_off("answers reset", Harm::Reset);
}

#[test]
fn what_the_proxy_resets_is_reset_and_does_not_end_in_order() {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    for (harm, end) in
        [(Harm::Truncate(3), Ok(0)), (Harm::Reset(3), Err(io::ErrorKind::ConnectionReset))]
    {
        let address = proxy.url().trim_start_matches("redis://").to_owned();
        let mut connection = TcpStream::connect(address).expect("the proxy listens");
        proxy.harm(harm);
        connection.write_all(b"*1\r\n$4\r\nPING\r\n").expect("it is open");
        let mut answer = [0; 3];
        connection.read_exact(&mut answer).expect("so many bytes pass");
        assert_eq!(&answer, b"+PO");
        assert_eq!(connection.read(&mut answer).map_err(|error| error.kind()), end, "{harm:?}");
    }
}

fn cut_off(fault: &'static str, harm: fn(usize) -> Harm) {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = Ordeal::begin(fault, both(&proxy.url()))
        .strike(|_| {
            let end = Instant::now() + Duration::from_millis(1500);
            for length in (0..12).cycle().take_while(|_| Instant::now() < end) {
                proxy.harm(harm(length));
                sleep(Duration::from_millis(20));
            }
            proxy.harm(Harm::None);
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}
