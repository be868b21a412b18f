//! Clients that mean no good.

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
    client::COOKIE,
    server::{Server, files_below},
    store::Store,
};
use support::proxy::Proxy;

/// A well-formed id that nobody has been given.
const INVENTED: &str = "inventedinventedinventedinvented";
/// May carry an id in place of the cookie.
const HEADER: &str = "x-session-id";

/// What clients try for an id: every claim of the corpus but the well-formed ones. As raw bytes,
/// since little of it need be a header's text.
fn malformed() -> Vec<Vec<u8>> {
    let claims = corpus::read("claims").into_iter();
    let malformed = claims.filter(|claim| !claim.name.starts_with("good-"));
    malformed.map(|claim| claim.bytes).collect()
}

#[test]
fn g3_an_id_that_is_not_in_the_store_is_never_adopted() {
    for store in [Store::Memory, Store::file(), Store::key_value(), Store::hash_table()] {
        let server = store.serve(&[]);
        let thief = server.client().claiming(INVENTED);
        let answer = thief.clone().ask("/get");
        assert_eq!((answer.body.as_str(), answer.set_cookie), ("{}", None));
        let mut victim = thief.clone();
        victim.expect("/set?name=bob");
        assert_ne!(victim.id.as_deref(), Some(INVENTED));
        assert_eq!(victim.expect("/get"), r#"{"name":"bob"}"#);
        assert_eq!(thief.clone().expect("/get"), "{}");
        assert_eq!(thief.clone().expect("/del"), "ok");
        if !matches!(store, Store::Memory) {
            assert_eq!(store.look(INVENTED), None);
        }
        assert!(!server.log().contains(INVENTED), "{}", server.log());
    }
}

#[test]
fn g3_malformed_ids_touch_no_file() {
    let store = Store::file();
    let Store::File(directory) = &store else { unreachable!() };
    let server = store.serve(&[("DEMO__SESSION__HEADER", HEADER)]);
    server.client().expect("/set?a=1");
    let outside = directory.path().parent().unwrap().join("x.session");
    let before = [files_below(directory.path()), files_below(server.directory())];
    // Whatever asks for a file now, or only looks for one, fails.
    let away = directory.path().with_extension("away");
    fs::rename(directory.path(), &away).unwrap();
    let asked = claim_everywhere(&server);
    assert_eq!(server.client().claiming(INVENTED).ask("/get").status, 503, "it would be noticed");
    fs::rename(&away, directory.path()).unwrap();
    assert_eq!(before, [files_below(directory.path()), files_below(server.directory())]);
    assert!(!outside.exists());
    println!("{asked} requests, no file");
    // A write finds no session, and starts one of its own.
    for id in malformed() {
        let answer = request(&server, "/set?a=1", &id);
        assert!(is_no_http(&id) || answer.contains("set-cookie: gfsessionid="), "{answer}");
    }
    assert!(!outside.exists() && !Path::new("/etc/passwd.session").exists());
    assert!(files_below(server.directory()).is_empty());
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
        ];
        let server = store.serve(&settings);
        server.client().expect("/set?a=1");
        proxy.wait_for_silence();
        proxy.reset();
        let asked = claim_everywhere(&server);
        assert_eq!(proxy.commands(), [""; 0]);
        println!("{asked} requests, no command");
        server.client().claiming(INVENTED).expect("/get");
        assert!(!proxy.commands().is_empty(), "a command would be noticed");
    }
}

/// Claims everything malformed in every place where a claim can stand, and counts the requests.
fn claim_everywhere(server: &Server) -> usize {
    let malformed = malformed();
    let mut asked = 0;
    for id in &malformed {
        for (path, expected) in [("/get", "{}"), ("/get?key=a", "null"), ("/del", "ok")] {
            let mut twice = id.clone();
            twice.extend_from_slice(format!("; {COOKIE}=").as_bytes());
            twice.extend_from_slice(id);
            let pair = [COOKIE.as_bytes(), b"=", id].concat();
            let quoted = [COOKIE.as_bytes(), b"=\"", id, b"\""].concat();
            let answers = [
                ask_with(server, path, "Cookie", &pair),
                ask_with(server, path, "Cookie", &quoted),
                request(server, path, &twice),
                ask_with(server, path, HEADER, id),
            ];
            asked += answers.len();
            for answer in answers {
                // What is not even HTTP is refused before anybody looks for an id.
                let is_refused = is_no_http(id) && answer.starts_with("HTTP/1.1 400");
                assert!(is_refused || body(&answer) == expected, "{}: {answer}", id.escape_ascii());
            }
        }
    }
    asked
}

/// Whether these bytes cannot stand in a header, or end it.
fn is_no_http(id: &[u8]) -> bool {
    id.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f)
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
        assert_eq!(browser.expect("/healthz"), "ok");
        browser.expect("/set?a=1");
        assert_eq!(browser.expect("/get"), r#"{"a":1}"#);
        assert!(server.is_running());
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

#[test]
fn a_query_that_is_not_percent_encoded_utf_8_is_refused_and_stores_nothing() {
    let server = Store::Memory.serve(&[]);
    let mut browser = server.client();
    for path in ["/set?a=%", "/set?a=1&b=%zz", "/set?%ff=1", "/get?key=%c3", "/del?kye=a"] {
        let answer = browser.ask(path);
        assert_eq!((answer.status, answer.set_cookie), (400, None), "{path}");
        assert!(answer.body.contains("query") || answer.body.contains("key="), "{}", answer.body);
    }
    assert_eq!(browser.expect("/get"), "{}");
}

/// Asks with whatever bytes for an id and returns the whole answer.
fn request(server: &Server, path: &str, id: &[u8]) -> String {
    ask_with(server, path, "Cookie", &[COOKIE.as_bytes(), b"=", id].concat())
}

fn ask_with(server: &Server, path: &str, header: &str, value: &[u8]) -> String {
    let mut raw = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
    raw.extend_from_slice(format!("{header}: ").as_bytes());
    raw.extend_from_slice(value);
    raw.extend_from_slice(b"\r\n\r\n");
    send(server, &raw)
}

fn send(server: &Server, raw: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The server may have seen enough before it has seen all.
    let _ = stream.write_all(raw);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
