//! Malicious clients.

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use demo::{
    client::{COOKIE, Client},
    server::{Server, files_under},
    store::Store,
};
use support::proxy::Proxy;

/// A well-formed id that no server has issued.
const INVENTED: &str = "inventedinventedinventedinvented";
/// The header that may carry an id instead of the cookie.
const HEADER: &str = "x-session-id";

/// Returns every malformed id of the corpus, as raw bytes: many of them are not valid in a header.
fn malformed() -> Vec<Vec<u8>> {
    let claims = corpus::read("claims").into_iter();
    let malformed = claims.filter(|claim| !claim.name.starts_with("good-"));
    malformed.map(|claim| claim.bytes).collect()
}

#[test]
fn g3_an_id_that_is_not_in_the_store_is_never_adopted() {
    for store in [Store::Memory, Store::file(), Store::key_value(), Store::hash_table()] {
        let server = store.serve(&[]);
        let thief = server.client().with_id(INVENTED);
        let answer = thief.clone().get("/get");
        assert_eq!((answer.body.as_str(), answer.set_cookie), ("{}", None));
        let mut victim = thief.clone();
        victim.get_ok("/set?name=bob");
        assert_ne!(victim.id.as_deref(), Some(INVENTED));
        assert_eq!(victim.get_ok("/get"), r#"{"name":"bob"}"#);
        assert_eq!(thief.clone().get_ok("/get"), "{}");
        assert_eq!(thief.clone().get_ok("/del"), "ok");
        if !matches!(store, Store::Memory) {
            assert_eq!(store.read_raw(INVENTED), None);
        }
        assert!(!server.log().contains(INVENTED), "{}", server.log());
    }
}

#[test]
fn g3_malformed_ids_touch_no_file() {
    let store = Store::file();
    let Store::File(directory) = &store else { unreachable!() };
    let server = store.serve(&[("DEMO__SESSION__HEADER", HEADER)]);
    server.client().get_ok("/set?a=1");
    let outside = directory.path().parent().unwrap().join("x.session");
    let before = [files_under(directory.path()), files_under(server.directory())];
    // With a file in the directory's place every access to a session's file fails.
    let away = directory.path().with_extension("away");
    fs::rename(directory.path(), &away).unwrap();
    fs::write(directory.path(), "").unwrap();
    let requests = claim_everywhere(&server);
    assert_eq!(
        server.client().with_id(INVENTED).get("/get").status,
        503,
        "an access to a file would fail"
    );
    fs::remove_file(directory.path()).unwrap();
    fs::rename(&away, directory.path()).unwrap();
    assert_eq!(before, [files_under(directory.path()), files_under(server.directory())]);
    assert!(!outside.exists());
    println!("{requests} requests, no access to a file");
    // A write finds no session and starts a new one.
    for id in malformed() {
        let answer = request(&server, "/set?a=1", &id);
        assert!(
            is_invalid_in_header(&id) || answer.contains("set-cookie: gfsessionid="),
            "{answer}"
        );
    }
    assert!(!outside.exists() && !Path::new("/etc/passwd.session").exists());
    assert!(files_under(server.directory()).is_empty());
}

#[test]
fn g3_malformed_ids_send_redis_no_command() {
    for store in [Store::key_value(), Store::hash_table()] {
        let proxy = Proxy::before(store.redis().port());
        let url = proxy.url();
        let settings = [
            ("DEMO__REDIS__URL", url.as_str()),
            ("DEMO__SERVER__WORKERS", "1"),
            ("DEMO__SESSION__HEADER", HEADER),
            // No time to live is due to be written meanwhile.
            ("DEMO__SESSION__MAX_AGE", "1h"),
        ];
        let server = store.serve(&settings);
        server.client().get_ok("/set?a=1");
        proxy.wait_until_idle();
        proxy.reset();
        let requests = claim_everywhere(&server);
        let mut commands = proxy.commands();
        // Connections that were idle for a while are checked.
        commands.retain(|command| command != "PING");
        assert_eq!(commands, [""; 0]);
        println!("{requests} requests, no command");
        server.client().with_id(INVENTED).get_ok("/get");
        assert!(!proxy.commands().is_empty(), "the proxy sees commands");
    }
}

/// Sends every malformed id in every place that can carry one. Returns the number of requests.
fn claim_everywhere(server: &Server) -> usize {
    let malformed = malformed();
    let mut requests = 0;
    for id in &malformed {
        for (path, expected) in [("/get", "{}"), ("/get?key=a", "null"), ("/del", "ok")] {
            let mut twice = id.clone();
            twice.extend_from_slice(format!("; {COOKIE}=").as_bytes());
            twice.extend_from_slice(id);
            let pair = [COOKIE.as_bytes(), b"=", id].concat();
            let quoted = [COOKIE.as_bytes(), b"=\"", id, b"\""].concat();
            let answers = [
                request_with(server, path, "Cookie", &pair),
                request_with(server, path, "Cookie", &quoted),
                request(server, path, &twice),
                request_with(server, path, HEADER, id),
            ];
            requests += answers.len();
            for answer in answers {
                // The HTTP parser refuses invalid header bytes before the id is read.
                let is_refused = is_invalid_in_header(id) && answer.starts_with("HTTP/1.1 400");
                assert!(is_refused || body(&answer) == expected, "{}: {answer}", id.escape_ascii());
            }
        }
    }
    requests
}

/// Returns whether these bytes are invalid in a header or end it.
fn is_invalid_in_header(id: &[u8]) -> bool {
    id.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f)
}

#[test]
fn g12_neither_the_log_nor_a_metric_shows_an_id_or_a_value() {
    const VALUE: &str = "the-secret-of-bob";
    const USER: &str = "user-nobody-else-knows";
    for mut store in [Store::key_value(), Store::hash_table()] {
        let renewals = [("DEMO__SESSION__GRACE", "100ms"), ("DEMO__SESSION__RENEW_AFTER", "200ms")];
        let settings =
            [("RUST_LOG", "session_core=trace,session_actix=trace,demo_server=trace,info")];
        let server = store.serve(&[&settings[..], &renewals[..]].concat());
        let mut secrets = vec![VALUE.to_owned(), INVENTED.to_owned(), USER.to_owned()];
        let mut note = |browser: &Client| secrets.extend(browser.id.clone());
        let mut browser = server.client();
        browser.get_ok(&format!("/set?name={VALUE}"));
        note(&browser);
        std::thread::sleep(Duration::from_millis(300));
        // Renewed by itself.
        browser.get_ok("/get");
        note(&browser);
        server.client().with_id(INVENTED).get_ok("/get");
        server.client().with_id(&format!("{INVENTED}.{VALUE}")).get_ok("/get");
        browser.get_ok("/del");
        browser.get_ok(&format!("/set?name={VALUE}"));
        note(&browser);
        for path in [format!("/login?user={USER}"), "/logout".to_owned()] {
            let mut user = server.client();
            user.get_ok(&format!("/login?user={USER}"));
            note(&user);
            user.get_ok(&path);
        }
        let mut user = server.client();
        user.get_ok(&format!("/login?user={USER}"));
        note(&user);
        assert_eq!(user.post("/sessions/end?others=true").body, r#"{"ended":1}"#);
        store.redis_mut().kill();
        assert_eq!(browser.get("/get").status, 503);
        assert_eq!(user.get("/sessions").status, 503);
        assert_eq!(server.client().get(&format!("/login?user={USER}")).status, 503);
        assert_eq!(browser.get(&format!("/set?other={VALUE}")).status, 503);
        let metrics = server.client().get_ok("/metrics");
        let shown = [server.log(), metrics];
        assert!(shown[0].contains("is unknown to"), "{}", shown[0]);
        assert!(shown[1].contains("session_store_failures_total{"), "{}", shown[1]);
        assert!(shown[1].contains("sessions_renewed_total{kind=\"by_itself\"} 1"), "{}", shown[1]);
        assert!(shown[1].contains("sessions_logins_total 4"), "{}", shown[1]);
        assert_eq!(secrets.len(), 9, "a value, a user, and seven ids");
        for secret in &secrets {
            for text in &shown {
                // The log may show the beginning of an id.
                assert!(!text.contains(&secret[..12]), "{secret} in:\n{text}");
            }
        }
    }
}

#[test]
fn g11_no_request_makes_the_server_panic() {
    for store in [Store::Memory, Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&[]);
        let huge = "x".repeat(100_000);
        let percent = "%".repeat(1000);
        let deep = format!("/set?deep={}", "%5B".repeat(2000));
        let nested = format!("/set?n={}{}", "[".repeat(9_000), "]".repeat(9_000));
        let many = format!("/set?{}", (0..3000).map(|n| format!("k{n}=1&")).collect::<String>());
        let paths = [
            "/set?",
            "/set?&&&",
            "/set?=",
            "/set?a",
            "/set?a=%",
            "/set?a=%f",
            "/set?%ff=1",
            "/set?a=%00",
            "/set?a=\u{7f}",
            "/get?key",
            "/get?key=%ff",
            "/get?other",
            "/del?key=",
            "/del?",
            "/get?key=../..",
            "//",
            "/set/",
            "/SET",
            "*",
            "/set?a=%ED%A0%80",
            "/set?a=%22%5Cud800%22",
            "/set?a=1e999999999",
            "/set?a=\"",
            "/%00",
            "/?%",
            &percent,
            &deep,
            &nested,
            &many,
        ];
        for path in paths {
            request(&server, path, b"x");
        }
        for id in malformed() {
            request(&server, "/set?a=1", &id);
        }
        for id in [huge.as_bytes(), b";;;=;==", b"\x01\x02"] {
            request(&server, "/set?a=1", id);
        }
        for raw in [
            &b"\x00\x01\x02\r\n\r\n"[..],
            b"GET /get HTTP/1.1\r\nHost: x\r\nCookie\r\n\r\n",
            b"GET /set?a=\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /get HTTP/1.1\r\nHost: x\r\nCookie: =; ;=;gfsessionid\r\nCookie: \xff\r\nConnection: close\r\n\r\n",
            b"POST /set HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\xff\xfe\xfd",
            b"BREW /set HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ] {
            send(&server, raw);
        }
        let mut browser = server.client();
        assert_eq!(browser.get_ok("/healthz"), "ok");
        browser.get_ok("/set?a=1");
        assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
        assert!(server.is_running());
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

#[test]
fn a_malformed_query_is_refused_and_stores_nothing() {
    let server = Store::Memory.serve(&[]);
    let mut browser = server.client();
    for path in ["/set?a=%", "/set?a=1&b=%zz", "/set?%ff=1", "/get?key=%c3", "/del?kye=a"] {
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.set_cookie), (400, None), "{path}");
        assert!(answer.body.contains("query") || answer.body.contains("key="), "{}", answer.body);
    }
    assert_eq!(browser.get_ok("/get"), "{}");
}

/// Sends a request with any bytes as the id and returns the whole response.
fn request(server: &Server, path: &str, id: &[u8]) -> String {
    request_with(server, path, "Cookie", &[COOKIE.as_bytes(), b"=", id].concat())
}

fn request_with(server: &Server, path: &str, header: &str, value: &[u8]) -> String {
    let mut raw = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
    raw.extend_from_slice(format!("{header}: ").as_bytes());
    raw.extend_from_slice(value);
    raw.extend_from_slice(b"\r\n\r\n");
    send(server, &raw)
}

fn send(server: &Server, raw: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The server may respond and close the connection before it has read everything.
    let _ = stream.write_all(raw);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
