//! Faults in the network between the servers and Redis.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    demo::alone::alone,
    fault_run::{AllowedErrors, FaultRun, TIMEOUT},
    redis::both,
    support::{
        proxy::{Harm, Proxy},
        redis::RedisServer,
    },
};

#[test]
fn g8_requests_do_not_wait_for_a_redis_slower_than_the_timeout() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = FaultRun::begin("answers 700 ms late", both(&proxy.url()))
        .inject(|_| {
            proxy.harm(Harm::Delay(TIMEOUT + Duration::from_millis(200)));
            sleep(Duration::from_millis(1500));
            proxy.harm(Harm::None);
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_a_slow_redis_only_slows_requests_down() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    FaultRun::begin("answers 30 ms late", both(&proxy.url()))
        .inject(|_| {
            proxy.harm(Harm::Delay(Duration::from_millis(30)));
            sleep(Duration::from_millis(1500));
            proxy.harm(Harm::None);
        })
        .end(AllowedErrors::Unavailable);
}

#[test]
fn g8_requests_do_not_wait_for_a_redis_that_accepts_and_never_answers() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = FaultRun::begin("accepts, never answers", both(&proxy.url()))
        .inject(|_| {
            proxy.harm(Harm::Swallow);
            sleep(Duration::from_millis(1500));
            // The connections that have lost data are unusable.
            proxy.cut();
            proxy.harm(Harm::None);
            proxy.cut();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_connections_that_a_load_balancer_forgets_are_replaced() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = FaultRun::begin("connections forgotten, 3 times", both(&proxy.url()))
        .inject(|_| {
            for _ in 0..3 {
                proxy.forget_connections();
                sleep(Duration::from_millis(700));
            }
        })
        .end(AllowedErrors::Unavailable);
    // Only writes that were under way, which cannot be sent twice.
    assert!(figures.unavailable < figures.requests / 10, "{figures:?}");
}

#[test]
fn g7_answers_cut_off_at_any_byte_acknowledge_no_write() {
    cut_off("answers cut off", Harm::Truncate);
}

#[test]
fn g7_answers_reset_at_any_byte_acknowledge_no_write() {
    cut_off("answers reset", Harm::Reset);
}

#[test]
fn the_proxy_resets_connections_instead_of_closing_them() {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    for (harm, end) in
        [(Harm::Truncate(3), Ok(0)), (Harm::Reset(3), Err(io::ErrorKind::ConnectionReset))]
    {
        let address = proxy.url().trim_start_matches("redis://").to_owned();
        let mut connection = TcpStream::connect(address).expect("the proxy listens");
        proxy.harm(harm);
        connection.write_all(b"*1\r\n$4\r\nPING\r\n").expect("the connection is open");
        let mut answer = [0; 3];
        connection.read_exact(&mut answer).expect("the proxy forwards three bytes");
        assert_eq!(&answer, b"+PO");
        assert_eq!(connection.read(&mut answer).map_err(|error| error.kind()), end, "{harm:?}");
    }
}

fn cut_off(fault: &'static str, harm: fn(usize) -> Harm) {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = FaultRun::begin(fault, both(&proxy.url()))
        .inject(|_| cut_off_for_a_while(&proxy, harm))
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

/// Does harm to answers at each of the first bytes.
pub(super) fn cut_off_for_a_while(proxy: &Proxy, harm: fn(usize) -> Harm) {
    let end = Instant::now() + Duration::from_millis(1500);
    for length in (0..12).cycle().take_while(|_| Instant::now() < end) {
        proxy.harm(harm(length));
        sleep(Duration::from_millis(20));
    }
    proxy.harm(Harm::None);
}
