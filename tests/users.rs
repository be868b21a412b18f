//! The demo's users: logging in and out, and ending sessions, through several servers.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use demo::{client::Client, server::Server, store::Store};
use serde_json::Value;

fn stores() -> [Store; 3] {
    [Store::file(), Store::key_value(), Store::hash_table()]
}

fn log_in(server: &Server, user: &str) -> Client {
    let mut client = server.client();
    assert_eq!(client.get_ok(&format!("/login?user={user}")), "ok");
    client
}

fn list(client: &mut Client) -> Vec<Value> {
    let answer = client.send("GET", "/sessions", &[("Accept", "application/json")]).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn fingerprint(session: &Value) -> &str {
    session["fingerprint"].as_str().unwrap()
}

fn current(client: &mut Client) -> String {
    let sessions = list(client);
    let current = sessions.iter().find(|session| session["current"] == true);
    fingerprint(current.expect("one is current")).to_owned()
}

#[test]
fn a_user_sees_all_sessions_of_theirs_on_every_server() {
    for store in stores() {
        let servers = [store.serve(&[]), store.serve(&[])];
        let mut phone = log_in(&servers[0], "bob");
        phone.get_ok("/set?a=1");
        let mut laptop = log_in(&servers[1], "bob");
        log_in(&servers[0], "alice");
        let [of_phone, of_laptop] = [list(&mut phone), list(&mut laptop)];
        assert_eq!((of_phone.len(), of_laptop.len()), (2, 2));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for session in &of_phone {
            let seconds = |key: &str| session[key].as_u64().unwrap_or_else(|| panic!("{session}"));
            assert!(seconds("created") <= now && seconds("created") + 30 > now, "{session}");
            assert!(seconds("last_used") <= now, "{session}");
            assert!(seconds("expires") > now && seconds("expires") <= now + 61, "{session}");
            assert_eq!(session["address"], "127.0.0.1");
            assert!(session["agent"].as_str().is_some_and(|agent| agent.contains("ureq")));
        }
        assert_eq!(of_phone.iter().filter(|session| session["current"] == true).count(), 1);
        assert_ne!(current(&mut phone), current(&mut laptop));
        // Nobody is logged in without a session.
        assert!(list(&mut servers[0].client()).is_empty());
    }
}

#[test]
fn g17_what_a_user_ends_is_logged_out_on_every_server() {
    for store in stores() {
        let servers = [store.serve(&[]), store.serve(&[])];
        let mut clients: Vec<Client> =
            (0..5).map(|number| log_in(&servers[number % 2], "bob")).collect();
        let mut alice = log_in(&servers[0], "alice");
        let of_one = current(&mut clients[1]);
        let path = format!("/sessions/end?id={of_one}");
        assert_eq!(alice.post(&path).status, 404, "it is bob's");
        assert_eq!(clients[0].post(&path).body, r#"{"ended":1}"#);
        assert_eq!(clients[0].post(&path).status, 404);
        assert!(list(&mut clients[1]).is_empty());
        assert_eq!(list(&mut clients[0]).len(), 4);

        assert_eq!(clients[0].post("/sessions/end?others=true").body, r#"{"ended":3}"#);
        for client in &mut clients[2..] {
            let mut elsewhere = client.at(servers[0].port());
            assert!(list(&mut elsewhere).is_empty());
        }
        let mut last = log_in(&servers[1], "bob");
        let answer = clients[0].post("/sessions/end?all=true");
        assert_eq!(answer.body, r#"{"ended":2}"#);
        assert!(answer.set_cookie.is_some_and(|cookie| cookie.contains("Max-Age=0")));
        assert!(list(&mut last).is_empty());
        assert_eq!(list(&mut alice).len(), 1);
    }
}

#[test]
fn a_logout_ends_one_session() {
    for store in stores() {
        let server = store.serve(&[]);
        let (mut one, mut other) = (log_in(&server, "bob"), log_in(&server, "bob"));
        let before = one.clone();
        assert_eq!(one.post("/logout").body, "ok");
        assert_eq!(one.id, None);
        assert!(list(&mut before.clone()).is_empty());
        assert_eq!(list(&mut other).len(), 1);
        assert_eq!(server.client().get_ok("/logout"), "ok");
    }
}

#[test]
fn requests_that_cannot_be_meant_are_refused() {
    let server = Store::Memory.serve(&[]);
    let mut bob = log_in(&server, "bob");
    for path in
        ["/login", "/login?user=", "/login?user=a&user=b", "/login?name=a", "/login?user=%0a"]
    {
        let answer = bob.get(path);
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
    let end = |query: &str| format!("/sessions/end?{query}");
    for query in ["", "id=", "others=false", "all=1", "all=true&others=true", "ids=1"] {
        assert_eq!(bob.post(&end(query)).status, 400, "{query}");
    }
    assert!(bob.get(&end("all=true")).status >= 400, "only POST");
    assert_eq!(server.client().post(&end("all=true")).status, 401);
    let cross_site = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(bob.send("POST", &end("all=true"), &cross_site).unwrap().status, 403);
    assert_eq!(list(&mut bob).len(), 1, "nothing was ended");
}

#[test]
fn a_limit_ends_the_oldest_or_refuses() {
    for store in stores() {
        let limit = ("DEMO__SESSION__MAX_PER_USER", "1");
        let server = store.serve(&[limit]);
        let mut first = log_in(&server, "bob");
        let mut second = log_in(&server, "bob");
        assert!(list(&mut first).is_empty());
        assert_eq!(list(&mut second).len(), 1);
        let refusing = store.serve(&[limit, ("DEMO__SESSION__WHEN_FULL", "refuse")]);
        let answer = refusing.client().get("/login?user=bob");
        assert_eq!(answer.status, 409);
        assert!(answer.set_cookie.is_none(), "{answer:?}");
        assert_eq!(list(&mut second).len(), 1);
    }
}

#[test]
fn g17_twenty_logins_at_once_keep_a_limit_of_one() {
    for store in stores() {
        for when_full in ["end-oldest", "refuse"] {
            let settings =
                [("DEMO__SESSION__MAX_PER_USER", "1"), ("DEMO__SESSION__WHEN_FULL", when_full)];
            let servers = [store.serve(&settings), store.serve(&settings)];
            let path = format!("/login?user={when_full}");
            let clients: Vec<Client> = thread::scope(|scope| {
                let logins: Vec<_> = (0..20)
                    .map(|number| {
                        let (mut client, path) = (servers[number % 2].client(), &path);
                        scope.spawn(move || {
                            client.get(path);
                            client
                        })
                    })
                    .collect();
                logins.into_iter().map(|login| login.join().unwrap()).collect()
            });
            let alive = clients.into_iter().filter(|client| client.id.is_some());
            let alive = alive.filter(|client| !list(&mut client.clone()).is_empty()).count();
            assert_eq!(alive, 1, "{when_full}");
        }
    }
}

#[test]
fn g17_the_index_goes_with_its_sessions() {
    for store in [Store::key_value(), Store::hash_table()] {
        let settings = [("DEMO__SESSION__MAX_AGE", "1s"), ("DEMO__SESSION__GRACE", "0s")];
        let server = store.serve(&settings);
        for number in 0..30 {
            log_in(&server, &format!("user{}", number % 4));
        }
        let (Store::KeyValue(redis) | Store::HashTable(redis)) = &store else { unreachable!() };
        assert_ne!(redis.cli(&["DBSIZE"]), "0");
        let deadline = Instant::now() + Duration::from_secs(5);
        while redis.cli(&["DBSIZE"]) != "0" {
            assert!(Instant::now() < deadline, "left: {}", redis.cli(&["KEYS", "*"]));
            thread::sleep(Duration::from_millis(50));
        }
    }
}
