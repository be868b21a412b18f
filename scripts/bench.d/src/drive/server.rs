//! The compared servers.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use ureq::Agent;

use crate::{
    Result,
    process::{Process, free_port},
    redis::Redis,
};

/// The name of a server on the command line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(&'static str);

impl Name {
    pub(crate) const BARE: Self = Self("bare");
    pub(crate) const MEMORY: Self = Self("memory");
    pub(crate) const KEY_VALUE: Self = Self("key-value");
    pub(crate) const KEY_VALUE_NEAR_CACHE: Self = Self("key-value-near-cache");
    pub(crate) const FILE: Self = Self("file");
    pub(crate) const HASH: Self = Self("hash");
    pub(crate) const ACTIX_SESSION: Self = Self("actix-session");
    pub(crate) const ACTIX_SESSION_POOLED: Self = Self("actix-session-pooled");
    pub(crate) const ACTIX_SESSION_COOKIE: Self = Self("actix-session-cookie");
    pub(crate) const TOWER_SESSIONS: Self = Self("tower-sessions");

    pub(crate) const OURS: &[Self] =
        &[Self::MEMORY, Self::FILE, Self::KEY_VALUE, Self::KEY_VALUE_NEAR_CACHE, Self::HASH];
    /// Each storage as it is, with hashed ids, with encrypted items, and with both.
    pub(crate) const AT_REST: [[Self; 4]; 3] = [
        [Self::MEMORY, Self("memory+hashed"), Self("memory+encrypted"), Self("memory+both")],
        [
            Self::KEY_VALUE,
            Self("key-value+hashed"),
            Self("key-value+encrypted"),
            Self("key-value+both"),
        ],
        [Self::HASH, Self("hash+hashed"), Self("hash+encrypted"), Self("hash+both")],
    ];
    /// Each storage as another commit has it, in the order of [`OURS`](Self::OURS).
    const BEFORE: [Self; 5] = [
        Self("before memory"),
        Self("before file"),
        Self("before key-value"),
        Self("before key-value-near-cache"),
        Self("before hash"),
    ];
    pub(crate) const PEERS: &[Self] = &[
        Self::ACTIX_SESSION,
        Self::ACTIX_SESSION_POOLED,
        Self::ACTIX_SESSION_COOKIE,
        Self::TOWER_SESSIONS,
    ];

    /// Returns a storage of this commit as the other commit has it.
    pub(crate) fn before(self) -> Self {
        let at = Self::OURS.iter().position(|name| *name == self);
        at.map_or(self, |at| Self::BEFORE[at])
    }

    /// Returns the name on the command line of a program of this commit.
    pub(crate) fn argument(self) -> &'static str {
        self.0
    }

    /// Returns the program and its argument. The environment names the program of another commit.
    fn program(self) -> Result<(PathBuf, &'static str)> {
        match self.0.strip_prefix("before ") {
            Some(name) => {
                let program = env::var_os("BENCH_BEFORE");
                Ok((program.ok_or("BENCH_BEFORE names no program")?.into(), name))
            }
            None => Ok((env::current_exe()?.with_file_name("server"), self.0)),
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self.0 {
            "bare" => "actix-web alone",
            "key-value-near-cache" => "key-value, near cache",
            "actix-session" => "actix-session, Redis",
            "actix-session-pooled" => "actix-session, Redis pool",
            "actix-session-cookie" => "actix-session, cookie",
            "tower-sessions" => "tower-sessions, Redis",
            name => name,
        }
    }
}

/// A route, by what its requests do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Untouched,
    Whole,
    Item,
    Set,
    /// Only for sessions of one item.
    Replace,
}

impl Route {
    /// Those of every server.
    pub(crate) const ALL: &[Self] = &[Self::Untouched, Self::Whole, Self::Item, Self::Set];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Whole => "whole",
            Self::Item => "item",
            Self::Set => "set",
            Self::Replace => "replace",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Untouched => "session not used",
            Self::Whole => "read the whole session",
            Self::Item => "read one item",
            Self::Set => "write one item",
            Self::Replace => "write the item",
        }
    }
}

/// The number and the size of the sessions.
#[derive(Clone, Copy)]
pub(crate) struct Sessions {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    /// Each has a single item, of this size.
    pub(crate) has_one_item: bool,
}

impl Sessions {
    /// The size of a typical session: a user's id, a name, a token.
    pub(crate) const USUAL: Self = Self { count: 1000, bytes: 100, has_one_item: false };
}

/// A running server with sessions.
pub(crate) struct Server {
    pub(crate) name: Name,
    instance: Rc<Instance>,
    sessions: Sessions,
    cookies: Vec<String>,
    cookie_file: PathBuf,
}

struct Instance {
    process: Process,
    url: String,
    agent: Agent,
    directory: PathBuf,
}

impl Server {
    /// Starts a server with sessions and checks that its routes work.
    pub(crate) fn start(
        name: Name,
        workers: usize,
        redis: &Redis,
        sessions: Sessions,
        counts_allocations: bool,
    ) -> Result<Self> {
        let instance = Instance::start(name, workers, redis, counts_allocations)?;
        Self::fill(name, Rc::new(instance), sessions)
    }

    /// Starts another process of the same server, which shares the sessions.
    pub(crate) fn start_another(&self, workers: usize, redis: &Redis) -> Result<Self> {
        let Self { name, sessions, .. } = *self;
        let instance = Rc::new(Instance::start(name, workers, redis, false)?);
        let (cookies, cookie_file) = (self.cookies.clone(), self.cookie_file.clone());
        let other = Self { name, instance, sessions, cookies, cookie_file };
        let (item, same) = (self.ask("item")?, other.ask("item")?);
        if item != same {
            let name = name.0;
            return Err(format!("{name}: the item is {item}, {same} in another process").into());
        }
        Ok(other)
    }

    /// Starts more sessions on the same server.
    pub(crate) fn with_sessions(&self, sessions: Sessions) -> Result<Self> {
        Self::fill(self.name, self.instance.clone(), sessions)
    }

    fn fill(name: Name, instance: Rc<Instance>, sessions: Sessions) -> Result<Self> {
        let Sessions { count, bytes, .. } = sessions;
        let cookies = (0..count).map(|_| instance.start_session(name, sessions));
        let cookies = cookies.collect::<Result<Vec<_>>>()?;
        let cookie_file = instance.directory.join(format!("cookies-{bytes}"));
        fs::write(&cookie_file, cookies.join("\n") + "\n")?;
        let server = Self { name, instance, sessions, cookies, cookie_file };
        if sessions.has_one_item {
            server.check_one_item()?
        } else {
            server.check(bytes)?
        }
        Ok(server)
    }

    /// Returns the path of a route, with the query that it needs.
    pub(crate) fn path(&self, route: Route) -> String {
        match route {
            Route::Replace => format!("{}?bytes={}", route.path(), self.sessions.bytes),
            _ => route.path().to_owned(),
        }
    }

    /// Returns the address of a route.
    pub(crate) fn url(&self, route: Route) -> String {
        format!("{}/{}", self.instance.url, self.path(route))
    }

    /// Returns the file with the cookies of all sessions, one per line.
    pub(crate) fn cookie_file(&self) -> &Path {
        &self.cookie_file
    }

    pub(crate) fn process(&self) -> &Process {
        &self.instance.process
    }

    /// Sends a request with the cookie of the first session.
    pub(crate) fn ask(&self, path: &str) -> Result<String> {
        let request = self.instance.agent.get(format!("{}/{path}", self.instance.url));
        let mut response = request.header("cookie", &self.cookies[0]).call()?;
        let body = response.body_mut().with_config().limit(1 << 30);
        Ok(body.read_to_string()?)
    }

    fn check(&self, bytes: usize) -> Result {
        // Without a session there is nothing to check, and a session in a cookie never changes
        // here: all requests below send the original cookie.
        if self.name == Name::BARE || self.name == Name::ACTIX_SESSION_COOKIE {
            return Ok(());
        }
        let before: u64 = self.ask("item")?.parse()?;
        self.ask("set")?;
        let after: u64 = self.ask("item")?.parse()?;
        let whole = self.ask("whole")?.len();
        // The size of small sessions is only approximate.
        if after <= before || whole.abs_diff(bytes) > bytes / 4 {
            let name = self.name.0;
            return Err(format!(
                "{name}: the item changed from {before} to {after}, the session has {whole} bytes"
            )
            .into());
        }
        Ok(())
    }

    fn check_one_item(&self) -> Result {
        let before = self.ask("whole")?;
        self.ask(&self.path(Route::Replace))?;
        let after = self.ask("whole")?;
        // A key with its quotes, colon and braces takes 9 bytes.
        if after == before || after.len() != self.sessions.bytes + 9 {
            let (name, length) = (self.name.0, after.len());
            return Err(format!("{name}: the item is not replaced, or has {length} bytes").into());
        }
        Ok(())
    }
}

impl Instance {
    fn start(name: Name, workers: usize, redis: &Redis, counts_allocations: bool) -> Result<Self> {
        let port = free_port()?;
        let directory = env::temp_dir().join(format!("bench-{}-{port}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let (program, argument) = name.program()?;
        let mut command = Command::new(program);
        command.args([argument, &port.to_string(), &workers.to_string(), &redis.url()]);
        command.arg(directory.join("sessions"));
        if counts_allocations {
            command.env("BENCH_ALLOCATIONS", "1");
        }
        let url = format!("http://127.0.0.1:{port}");
        let process = Process::listening(&mut command, port)?;
        Ok(Self { process, url, agent: Agent::new_with_defaults(), directory })
    }

    /// Starts a session and returns its cookie.
    fn start_session(&self, name: Name, sessions: Sessions) -> Result<String> {
        let route = if sessions.has_one_item { "fill-one" } else { "fill" };
        let url = format!("{}/{route}?bytes={}", self.url, sessions.bytes);
        let response = self.agent.get(url).call()?;
        let cookie = match response.headers().get("set-cookie") {
            Some(cookie) => cookie.to_str()?,
            // This server has no sessions, but its requests must be as long as those of the others.
            None if name == Name::BARE => "id=mzxw6ytbojtg633cmfzgm33pmjqxeztp",
            None => return Err(format!("{} sends no cookie", name.0).into()),
        };
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
