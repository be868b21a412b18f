//! Runs each example as a process of its own and checks what its comments promise.

mod example;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{fs, path::Path, process::Command, thread};

use example::{Example, binary};
use support::redis::RedisServer;
use ureq::{Agent, http::Response};

/// A client that keeps its cookie.
#[derive(Clone)]
struct Browser {
    agent: Agent,
    cookie: String,
}

impl Browser {
    fn new() -> Self {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        Self { agent: config.build().new_agent(), cookie: String::new() }
    }

    fn get(&mut self, example: &Example, path: &str) -> String {
        let url = format!("http://{}{path}", example.address());
        let response = self.agent.get(url).header("Cookie", &self.cookie).call().unwrap();
        self.keep_cookie(response).1
    }

    fn post(&mut self, example: &Example, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let url = format!("http://{}{path}", example.address());
        let request = self.agent.post(url).header("Cookie", &self.cookie);
        let response = request.send_form(form.iter().copied()).unwrap();
        self.keep_cookie(response)
    }

    fn post_from(&mut self, site: &str, example: &Example, path: &str, token: &str) -> u16 {
        let url = format!("http://{}{path}", example.address());
        let request = self.agent.post(url).header("Cookie", &self.cookie);
        let response = request.header("Sec-Fetch-Site", site).send_form([("token", token)]);
        self.keep_cookie(response.unwrap()).0
    }

    fn post_json(&mut self, example: &Example, path: &str, json: &str) -> String {
        let url = format!("http://{}{path}", example.address());
        let request = self.agent.post(url).header("Cookie", &self.cookie);
        let response = request.content_type("application/json").send(json).unwrap();
        self.keep_cookie(response).1
    }

    fn keep_cookie(&mut self, mut response: Response<ureq::Body>) -> (u16, String) {
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = if cookie.ends_with('=') { String::new() } else { cookie.to_owned() };
        }
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

#[test]
fn counter_counts_each_visitor_separately() {
    let counter = Example::start("counter");
    let (mut one, mut other) = (Browser::new(), Browser::new());
    assert_eq!(one.get(&counter, "/"), "Visit number 1.\n");
    assert_eq!(one.get(&counter, "/"), "Visit number 2.\n");
    assert_eq!(other.get(&counter, "/"), "Visit number 1.\n");
}

#[test]
fn login_issues_a_new_id_that_is_valid_until_the_logout() {
    let login = Example::start("login");
    let mut browser = Browser::new();
    assert!(browser.get(&login, "/").contains("Log in"));
    let wrong = [("name", "bob"), ("password", "guessed")];
    assert_eq!(browser.post(&login, "/login", &wrong).0, 401);
    assert_eq!(browser.cookie, "", "a failed login makes no session");

    let right = [("name", "bob"), ("password", "secret")];
    assert_eq!(browser.post(&login, "/login", &right).0, 303);
    let mut left_open = browser.clone();
    assert!(browser.get(&login, "/").contains("Hello, bob!"));
    browser.post(&login, "/login", &right);
    assert_ne!(browser.cookie, left_open.cookie);
    assert!(left_open.get(&login, "/").contains("Log in"), "the old id is dead");

    let mut stolen = browser.clone();
    browser.post(&login, "/logout", &[]);
    assert_eq!(browser.cookie, "");
    assert!(stolen.get(&login, "/").contains("Log in"));
}

#[test]
fn account_lists_and_ends_the_sessions_of_a_user() {
    let account = Example::start("account");
    let (mut phone, mut laptop) = (Browser::new(), Browser::new());
    let wrong = [("name", "bob"), ("password", "guessed")];
    assert_eq!(phone.post(&account, "/login", &wrong).0, 401);
    let right = [("name", "bob"), ("password", "secret")];
    assert_eq!(phone.post(&account, "/login", &right).1, "welcome\n");
    let remembered = [right[0], right[1], ("remember", "true")];
    assert_eq!(laptop.post(&account, "/login", &remembered).1, "welcome\n");
    assert_eq!(laptop.get(&account, "/"), "Hello, bob!\n");
    let devices = phone.get(&account, "/devices");
    assert_eq!(devices.matches("\"agent\":\"ureq").count(), 2, "{devices}");
    assert_eq!(devices.matches("\"is_this_one\":true").count(), 1, "{devices}");

    assert_eq!(phone.post(&account, "/password", &[("new", "better")]).1, "changed\n");
    assert_eq!(laptop.get(&account, "/"), "please log in\n", "it may be the thief's");
    laptop.post(&account, "/login", &right);
    assert_eq!(phone.post(&account, "/logout-everywhere", &[]).0, 200);
    for browser in [&mut phone, &mut laptop] {
        assert_eq!(browser.get(&account, "/"), "please log in\n");
    }
}

#[test]
fn account_asks_for_the_password_before_a_sensitive_action() {
    let account = Example::start_with("account", &[("RECENT_SECONDS", "0")]);
    let mut browser = Browser::new();
    let right = [("name", "bob"), ("password", "secret")];
    browser.post(&account, "/login", &right);
    assert_eq!(browser.post(&account, "/password", &[]), (403, "log in once more\n".to_owned()));
}

#[test]
fn cart_keeps_the_articles_put_into_it() {
    let cart = Example::start("cart");
    let mut browser = Browser::new();
    assert_eq!(browser.get(&cart, "/cart"), "{}");
    assert_eq!(browser.post(&cart, "/cart/apple/3", &[]).1, "3 x apple\n");
    browser.post(&cart, "/cart/pear/1", &[]);
    assert_eq!(browser.get(&cart, "/cart"), r#"{"apple":3,"pear":1}"#);
    browser.post(&cart, "/cart/apple/0", &[]);
    assert_eq!(browser.get(&cart, "/cart"), r#"{"pear":1}"#);
}

#[test]
fn flash_shows_each_message_once() {
    let flash = Example::start("flash");
    let mut browser = Browser::new();
    assert!(!browser.get(&flash, "/").contains("<p"));
    assert_eq!(browser.cookie, "", "a page without a message makes no session");

    assert_eq!(browser.post(&flash, "/name", &[("name", "bob")]).0, 303);
    browser.post(&flash, "/name", &[("name", "<b title='\"'>&")]);
    let page = browser.get(&flash, "/");
    assert!(page.contains("<p role=\"status\">Your name is bob now.</p>"), "{page}");
    assert!(page.contains("is &lt;b title=&#39;&quot;&#39;&gt;&amp; now."), "{page}");
    assert!(!browser.get(&flash, "/").contains("<p"));
}

#[test]
fn flash_shows_a_message_in_one_of_many_tabs() {
    let flash = &Example::start("flash");
    let mut browser = Browser::new();
    for _ in 0..20 {
        browser.post(flash, "/name", &[("name", "bob")]);
        let tabs = [(); 8].map(|()| browser.clone());
        let shown: usize = thread::scope(|scope| {
            let pages = tabs.map(|mut tab| scope.spawn(move || tab.get(flash, "/")));
            pages.map(|page| page.join().unwrap().matches("bob").count()).iter().sum()
        });
        assert_eq!(shown, 1);
    }
}

#[test]
fn no_cache_stores_the_pages_of_flash_and_csrf() {
    for name in ["flash", "csrf"] {
        let example = Example::start(name);
        let mut browser = Browser::new();
        browser.get(&example, "/");
        let url = format!("http://{}/", example.address());
        // The second response sets no cookie, so the header is that of the example.
        let page = browser.agent.get(url).header("Cookie", &browser.cookie).call().unwrap();
        assert_eq!(page.headers()["cache-control"], "no-store", "{name}");
    }
}

#[test]
fn csrf_refuses_a_form_without_the_token_of_its_session() {
    let csrf = Example::start("csrf");
    let mut browser = Browser::new();
    let token = token_in(&browser.get(&csrf, "/"));
    assert_eq!(token.len(), 32);
    assert_eq!(token_in(&browser.get(&csrf, "/")), token);
    assert_eq!(browser.post(&csrf, "/order", &[("token", &token)]).0, 303);
    let of_another = token_in(&Browser::new().get(&csrf, "/"));
    for wrong in ["", &of_another, &token[1..], &format!("{token}a")] {
        assert_eq!(browser.post(&csrf, "/order", &[("token", wrong)]).0, 403, "{wrong}");
        assert_eq!(browser.post(&csrf, "/login", &[("token", wrong)]).0, 403, "{wrong}");
    }
    assert_eq!(browser.post(&csrf, "/order", &[]).0, 403);
    browser.get(&csrf, &format!("/order?token={token}"));
    assert_eq!(Browser::new().post(&csrf, "/order", &[("token", "")]).0, 403, "no session");
    assert!(browser.get(&csrf, "/").contains("Orders: 1<"));
}

#[test]
fn csrf_renews_the_token_at_login() {
    let csrf = Example::start("csrf");
    let mut browser = Browser::new();
    let before = token_in(&browser.get(&csrf, "/"));
    assert_eq!(browser.post(&csrf, "/login", &[("token", &before)]).0, 303);
    assert_eq!(browser.post(&csrf, "/order", &[("token", &before)]).0, 403);
    let after = token_in(&browser.get(&csrf, "/"));
    assert_ne!(after, before);
    assert_eq!(browser.post(&csrf, "/order", &[("token", &after)]).0, 303);
}

#[test]
fn csrf_refuses_another_site_even_with_the_right_token() {
    let csrf = Example::start("csrf");
    let mut browser = Browser::new();
    let token = token_in(&browser.get(&csrf, "/"));
    for (site, status) in [("same-origin", 303), ("same-site", 403), ("cross-site", 403)] {
        assert_eq!(browser.post_from(site, &csrf, "/order", &token), status, "{site}");
    }
}

/// Returns the token in the form of a page of `csrf`.
fn token_in(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a token");
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn tokens_travel_in_a_header_and_can_be_revoked() {
    let tokens = Example::start("tokens");
    let url = |path: &str| format!("http://{}{path}", tokens.address());
    let agent = Browser::new().agent;
    let whoami = |token: &str| {
        let mut response = agent.get(url("/whoami")).header("x-token", token).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    assert_eq!(agent.post(url("/token")).send_form([("key", "guessed")]).unwrap().status(), 401);
    let issued = agent.post(url("/token")).send_form([("key", "of-robot-7")]).unwrap();
    let token = issued.headers().get("x-token").expect("a token").to_str().unwrap();
    assert!(!issued.headers().contains_key("set-cookie"));
    assert_eq!(whoami(token), (200, "robot-7".to_owned()));
    assert_eq!(whoami("invented").0, 401);
    let revoked = agent.delete(url("/token")).header("x-token", token).call().unwrap();
    assert_eq!((revoked.status().as_u16(), revoked.headers()["x-token"].is_empty()), (200, true));
    assert_eq!(whoami(token).0, 401);
}

#[test]
fn two_sessions_belong_to_a_visitor_and_to_an_admin() {
    let shop = Example::start("two_sessions");
    let (mut visitor, mut admin) = (Browser::new(), Browser::new());
    visitor.get(&shop, "/");
    assert_eq!(visitor.get(&shop, "/"), "Visit number 2.\n");
    assert_eq!(admin.post(&shop, "/admin", &[("password", "guessed")]).0, 401);
    assert_eq!(admin.cookie, "");
    assert_eq!(admin.post(&shop, "/admin", &[("password", "secret")]).0, 303);
    assert!(admin.cookie.starts_with("__Secure-admin="), "{}", admin.cookie);

    assert!(visitor.get(&shop, "/admin").contains("<form"));
    assert!(admin.get(&shop, "/admin").contains("the shop 0 times"));
    let mut both = admin.clone();
    both.cookie = format!("{}; {}", admin.cookie, visitor.cookie);
    assert!(both.get(&shop, "/admin").contains("the shop 2 times"));
    assert_eq!(both.get(&shop, "/"), "Visit number 3.\n");
}

#[test]
fn nodes_share_their_sessions() {
    let redis = RedisServer::start();
    let url = redis.url();
    let node = || Example::start_with("nodes", &[("REDIS_URL", &url)]);
    let (one, other) = (node(), node());
    let mut browser = Browser::new();
    browser.get(&one, "/");
    browser.get(&other, "/");
    let visits = browser.get(&one, "/");
    assert!(visits.contains(&format!("\"{}\":2", one.address())), "{visits}");
    assert!(visits.contains(&format!("\"{}\":1", other.address())), "{visits}");
}

#[test]
fn ported_cookie_session_continues_to_count_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("SESSIONS", directory.path().to_str().unwrap())];
    let start = || Example::start_with("ported_cookie_session", &environment);
    let mut browser = Browser::new();
    let server = start();
    assert_eq!(browser.get(&server, "/"), "welcome!");
    assert!(browser.cookie.starts_with("id="), "{}", browser.cookie);
    browser.get(&server, "/");
    drop(server);
    browser.get(&start(), "/");
    assert_eq!(stored_in(directory.path()), [r#"{"counter":3}"#]);
    Browser::new().get(&start(), "/");
    assert_eq!(stored_in(directory.path()), [r#"{"counter":1}"#, r#"{"counter":3}"#]);
}

/// Returns the items of each session in a directory, as JSON, sorted.
fn stored_in(directory: &Path) -> Vec<String> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let sessions = paths.filter(|path| path.extension().is_some_and(|end| end == "session"));
    let mut items: Vec<_> = sessions
        .map(|path| fs::read_to_string(path).unwrap().lines().nth(1).unwrap().to_owned())
        .collect();
    items.sort();
    items
}

/// Follows the steps of the original's own test.
#[test]
fn ported_redis_session_behaves_like_the_original() {
    let redis = RedisServer::start();
    let server = Example::start_with("ported_redis_session", &[("REDIS_URL", &redis.url())]);
    let state = |user: Option<&str>, counter: u32| {
        let user = user.map_or("null".to_owned(), |user| format!("{user:?}"));
        format!(r#"{{"user_id":{user},"counter":{counter}}}"#)
    };
    let mut browser = Browser::new();
    assert_eq!(browser.get(&server, "/"), state(None, 0));
    assert_eq!(browser.cookie, "", "a session without items does not exist");
    assert_eq!(browser.post(&server, "/do_something", &[]).1, state(None, 1));
    assert_eq!(browser.post(&server, "/do_something", &[]).1, state(None, 2));

    let mut before_login = browser.clone();
    let login = browser.post_json(&server, "/login", r#"{"user_id":"ferris"}"#);
    assert_eq!(login, state(Some("ferris"), 2));
    assert_ne!(browser.cookie, before_login.cookie);
    assert_eq!(browser.get(&server, "/"), state(Some("ferris"), 2));
    assert_eq!(browser.post(&server, "/do_something", &[]).1, state(Some("ferris"), 3));
    assert_eq!(before_login.get(&server, "/"), state(None, 0), "the old id is dead");

    let mut stolen = browser.clone();
    assert_eq!(browser.post(&server, "/logout", &[]).1, "Logged out: ferris");
    assert_eq!(browser.cookie, "");
    assert_eq!(stolen.get(&server, "/"), state(None, 0));
    let again = browser.post(&server, "/logout", &[]).1;
    assert_eq!(again, "Could not log out anonymous user");
}

#[test]
fn ported_goframe_sets_gets_and_deletes() {
    let redis = RedisServer::start();
    let url = redis.url();
    let start = || Example::start_with("ported_goframe", &[("REDIS_URL", &url)]);
    let server = start();
    let mut browser = Browser::new();
    assert_eq!(browser.get(&server, "/get"), "{}");
    assert_eq!(browser.get(&server, "/set"), "ok");
    let items = browser.get(&server, "/get");
    assert!(items.starts_with(r#"{"time":"#), "{items}");

    drop(server);
    let server = start();
    assert_eq!(browser.get(&server, "/get"), items);
    assert_eq!(browser.get(&server, "/del"), "ok");
    assert_eq!(browser.get(&server, "/get"), "{}");
}

#[test]
fn own_storage_keeps_the_contract() {
    let run = Command::new(binary("own_storage")).output().expect("`cargo test` builds it");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let output = String::from_utf8_lossy(&run.stdout);
    assert_eq!(output, "The storage keeps the contract.\n");
}
