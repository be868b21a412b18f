//! The list of measurements, in order.

use crate::{
    Result,
    load::{self, Load, Pressure},
    redis::Redis,
    scene::{self, Case, Conditions, Effort, Outcome},
    serial::{self, Count},
    server::{Name, Route, Server, Sessions},
};

/// The extent of a benchmark run.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// For the measurements with a target, and for the peers beside them.
    pub(crate) main: Effort,
    /// For everything else. `None` omits it.
    pub(crate) rest: Option<Effort>,
}

/// A comparison with its results.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    pub(crate) conditions: Conditions,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Small reads on one storage, alone and beside reads of 10 MB.
pub(crate) struct Beside {
    pub(crate) storage: Name,
    pub(crate) alone: Load,
    pub(crate) beside: Load,
}

pub(crate) struct Results {
    pub(crate) main: Scene,
    /// The main comparison with one condition changed.
    pub(crate) variations: Vec<Scene>,
    /// The main comparison for several sizes of a session.
    pub(crate) sizes: Vec<Scene>,
    pub(crate) beside: Vec<Beside>,
    pub(crate) counts: Vec<Count>,
}

/// The target for one route on one storage.
pub(crate) struct Promise {
    pub(crate) what: &'static str,
    pub(crate) case: Case,
    /// The lowest rate relative to actix-web alone.
    pub(crate) relative: f64,
    /// The highest processor time beyond that of actix-web alone, in microseconds.
    pub(crate) over_bare: Option<f64>,
    pub(crate) allocations: Option<f64>,
}

pub(crate) const PROMISES: &[Promise] = &[
    Promise {
        what: "session not used, cookie sent",
        case: Case { server: Name::KEY_VALUE, route: Route::Untouched },
        relative: 0.97,
        over_bare: Some(0.4),
        allocations: None,
    },
    Promise {
        what: "whole session, hot near cache",
        case: Case { server: Name::KEY_VALUE_NEAR_CACHE, route: Route::Whole },
        relative: 0.88,
        over_bare: Some(0.9),
        allocations: Some(18.0),
    },
    Promise {
        what: "whole session, memory",
        case: Case { server: Name::MEMORY, route: Route::Whole },
        relative: 0.88,
        over_bare: None,
        allocations: Some(18.0),
    },
    Promise {
        what: "whole session, file",
        case: Case { server: Name::FILE, route: Route::Whole },
        relative: 0.50,
        over_bare: None,
        allocations: None,
    },
    Promise {
        what: "whole session, key-value",
        case: Case { server: Name::KEY_VALUE, route: Route::Whole },
        relative: 0.52,
        over_bare: None,
        allocations: Some(28.0),
    },
    Promise {
        what: "one item, hash",
        case: Case { server: Name::HASH, route: Route::Item },
        relative: 0.50,
        over_bare: None,
        allocations: Some(28.0),
    },
    Promise {
        what: "write one item, hash",
        case: Case { server: Name::HASH, route: Route::Set },
        relative: 0.47,
        over_bare: None,
        allocations: None,
    },
    Promise {
        what: "write one item, key-value with near cache",
        case: Case { server: Name::KEY_VALUE_NEAR_CACHE, route: Route::Set },
        relative: 0.42,
        over_bare: None,
        allocations: None,
    },
    Promise {
        what: "write one item, key-value",
        case: Case { server: Name::KEY_VALUE, route: Route::Set },
        relative: 0.34,
        over_bare: None,
        allocations: None,
    },
];

/// The size of a typical session: a user's id, a name, a token.
const USUAL: Conditions =
    Conditions { workers: 1, connections: 32, sessions: Sessions { count: 1000, bytes: 100 } };

const SIZES: [usize; 9] = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000, 10_000_000];

impl Profile {
    pub(crate) fn full() -> Self {
        let rest = Some(Effort { rounds: 2, seconds: 1 });
        Self { name: "full", main: Effort { rounds: 4, seconds: 2 }, rest }
    }

    pub(crate) fn quick() -> Self {
        Self { name: "quick", main: Effort { rounds: 5, seconds: 2 }, rest: None }
    }

    pub(crate) fn smoke() -> Self {
        let once = Effort { rounds: 1, seconds: 1 };
        Self { name: "smoke", main: once, rest: Some(once) }
    }
}

impl Conditions {
    fn with_size(self, bytes: usize) -> Self {
        // Few connections and sessions, because many large ones would need gigabytes.
        let count = (20_000_000 / bytes).clamp(4, self.sessions.count);
        Self { connections: 4, sessions: Sessions { count, bytes }, ..self }
    }
}

pub(crate) fn run(profile: &Profile) -> Result<Results> {
    let redis = Redis::start()?;
    let everybody = [Name::OURS, Name::PEERS].concat();
    let all = serial::cases(&everybody);
    let main_cases = if profile.rest.is_some() { all.clone() } else { promised_and_peers() };
    let scene = |title, conditions, cases: &[Case], effort| -> Result<Scene> {
        eprintln!("{title}");
        let outcomes = scene::measure(&redis, conditions, cases, effort)?;
        Ok(Scene { title, conditions, outcomes })
    };
    eprintln!("counting allocations and commands");
    let mut counted = serial::cases(&[Name::BARE]);
    counted.extend(&main_cases);
    let counts = serial::count(&redis, &counted)?;
    let main = scene("side by side", USUAL, &main_cases, profile.main)?;
    let (mut variations, mut sizes, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(effort) = profile.rest {
        let one_session = Sessions { count: 1, ..USUAL.sessions };
        for (title, conditions) in [
            ("one session", Conditions { sessions: one_session, ..USUAL }),
            ("one connection", Conditions { connections: 1, ..USUAL }),
            ("128 connections", Conditions { connections: 128, ..USUAL }),
            ("two workers", Conditions { workers: 2, ..USUAL }),
        ] {
            variations.push(scene(title, conditions, &all, effort)?);
        }
        let touching = |case: &Case| case.route != Route::Untouched;
        let ours: Vec<Case> = serial::cases(Name::OURS).into_iter().filter(touching).collect();
        for bytes in SIZES {
            let once = Effort { seconds: 1, ..effort };
            sizes.push(scene("sizes", USUAL.with_size(bytes), &ours, once)?);
        }
        for &storage in Name::OURS {
            beside.push(large_beside_small(&redis, storage, effort)?);
        }
    }
    Ok(Results { main, variations, sizes, beside, counts })
}

fn promised_and_peers() -> Vec<Case> {
    let mut cases: Vec<Case> = PROMISES.iter().map(|promise| promise.case).collect();
    for server in [Name::ACTIX_SESSION, Name::TOWER_SESSIONS] {
        let routes = [Route::Untouched, Route::Whole, Route::Set];
        cases.extend(routes.map(|route| Case { server, route }));
    }
    cases
}

/// Measures how much large values delay small ones.
fn large_beside_small(redis: &Redis, storage: Name, effort: Effort) -> Result<Beside> {
    eprintln!("small reads beside large ones: {}", storage.title());
    redis.clear()?;
    let small = Server::start(storage, 1, redis, Sessions { count: 100, bytes: 100 }, false)?;
    let large = small.with_sessions(Sessions { count: 1, bytes: 10_000_000 })?;
    let seconds = effort.seconds * effort.rounds as u64;
    let pressure = Pressure { threads: 1, connections: 8, seconds };
    let alone = load::press(&small, Route::Item, pressure)?;
    let other = load::start(&large, Route::Whole, Pressure { connections: 1, ..pressure })?;
    let beside = load::press(&small, Route::Item, pressure)?;
    load::wait(other)?;
    Ok(Beside { storage, alone, beside })
}
