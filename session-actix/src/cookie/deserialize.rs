//! Deserializing the fields of a [`CookieConfig`](super::CookieConfig).
//!
//! The derived code of serde calls these functions, because its own errors do not name the field.

use std::time::Duration;

use actix_web::cookie::SameSite;
use serde::{Deserialize, Deserializer, de::Error};

use super::CookieAge;

macro_rules! fields {
    ($($field:ident: $type:ty = $read:path, $allowed:literal;)*) => { $(
        pub(super) fn $field<'de, D: Deserializer<'de>>(d: D) -> Result<$type, D::Error> {
            const PROBLEM: &str = concat!("cookie ", stringify!($field), ": allowed is ", $allowed);
            // Formats add the place to it.
            $read(d).map_err(|_| D::Error::custom(PROBLEM))
        }
    )* };
}

fields! {
    name: String = String::deserialize, "a string";
    path: String = String::deserialize, "a string";
    domain: Option<String> = Option::deserialize, "a string";
    secure: bool = bool::deserialize, "true or false";
    http_only: bool = bool::deserialize, "true or false";
    same_site: SameSite = read_same_site, r#""strict", "lax" or "none""#;
    partitioned: bool = bool::deserialize, "true or false";
    age: CookieAge = read_age,
        r#""session", "rolling" or a time such as "90s", "15m", "24h" or "30d""#;
}

fn read_same_site<'de, D: Deserializer<'de>>(d: D) -> Result<SameSite, D::Error> {
    match &*String::deserialize(d)? {
        "strict" => Ok(SameSite::Strict),
        "lax" => Ok(SameSite::Lax),
        "none" => Ok(SameSite::None),
        _ => Err(D::Error::custom("unknown")),
    }
}

fn read_age<'de, D: Deserializer<'de>>(d: D) -> Result<CookieAge, D::Error> {
    match &*String::deserialize(d)? {
        "session" => Ok(CookieAge::Session),
        "rolling" => Ok(CookieAge::Rolling),
        time => seconds(time)
            .map(|seconds| CookieAge::Fixed(Duration::from_secs(seconds)))
            .ok_or_else(|| D::Error::custom("unknown")),
    }
}

/// Parses a whole number with a unit. The crate `humantime` reads more, but would be a dependency.
fn seconds(text: &str) -> Option<u64> {
    let units = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];
    let (count, unit) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)))?;
    let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
    // `parse` also accepts a sign.
    is_number.then(|| count.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

#[cfg(test)]
mod tests {
    use config::{Config, Environment};
    use serde_json::{Value, json};

    use super::*;
    use crate::CookieConfig;

    fn read(value: Value) -> Result<CookieConfig, String> {
        // As text, because then serde_json adds the place to its errors.
        serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
    }

    fn shown(config: CookieConfig) -> String {
        format!("{config:?}")
    }

    #[test]
    fn every_field_is_read() {
        let all = json!({
            "name": "id", "path": "/app", "domain": "example.com", "secure": false,
            "http_only": false, "same_site": "strict", "partitioned": true, "age": "15m",
        });
        let expected = CookieConfig::new()
            .name("id")
            .path("/app")
            .domain("example.com")
            .secure(false)
            .http_only(false)
            .same_site(SameSite::Strict)
            .partitioned(true)
            .age(CookieAge::Fixed(Duration::from_secs(15 * 60)));
        assert_eq!(shown(read(all).unwrap()), shown(expected));
    }

    #[test]
    fn a_field_that_is_left_out_has_its_default() {
        assert_eq!(shown(read(json!({})).unwrap()), shown(CookieConfig::new()));
        let none = read(json!({ "same_site": "none" })).unwrap();
        assert_eq!(shown(none), shown(CookieConfig::new().same_site(SameSite::None)));
        let no_domain = read(json!({ "domain": null })).unwrap();
        assert_eq!(shown(no_domain), shown(CookieConfig::new()));
    }

    #[test]
    fn an_age_is_a_word_or_a_time_with_a_unit() {
        let age = |text: &str| read(json!({ "age": text })).ok().map(|config| config.age);
        let fixed = |seconds| Some(CookieAge::Fixed(Duration::from_secs(seconds)));
        assert_eq!(age("session"), Some(CookieAge::Session));
        assert_eq!(age("rolling"), Some(CookieAge::Rolling));
        assert_eq!(age("90s"), fixed(90));
        assert_eq!(age("15m"), fixed(15 * 60));
        assert_eq!(age("24h"), fixed(24 * 60 * 60));
        assert_eq!(age("30d"), fixed(30 * 24 * 60 * 60));
        let bad = ["", "s", "90", "1.5h", "-1s", "+1s", "90 s", "1h30m", "Session", "1ms", "1y"];
        for bad in bad.into_iter().chain(["18446744073709551615d"]) {
            assert_eq!(age(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_environment_can_set_every_kind_of_field() {
        let variables = [("APP_NAME", "sid"), ("APP_SECURE", "false"), ("APP_AGE", "rolling")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::with_prefix("APP").source(Some(variables.into()));
        let config = Config::builder().add_source(environment).build().unwrap();
        let read = config.try_deserialize::<CookieConfig>().unwrap();
        let expected = CookieConfig::new().name("sid").secure(false).age(CookieAge::Rolling);
        assert_eq!(shown(read), shown(expected));
    }

    #[test]
    fn a_bad_value_is_refused_in_one_line_that_names_the_field() {
        for (field, bad, allowed) in [
            ("name", json!(1), "a string"),
            ("path", json!(["/"]), "a string"),
            ("domain", json!(false), "a string"),
            ("secure", json!("yes"), "true or false"),
            ("http_only", json!(1), "true or false"),
            ("same_site", json!("Lax"), r#""strict", "lax" or "none""#),
            ("same_site", json!(true), r#""strict", "lax" or "none""#),
            ("partitioned", json!("on"), "true or false"),
            ("age", json!(3600), r#""session", "rolling" or a time such as"#),
            ("age", json!("soon"), r#""session", "rolling" or a time such as"#),
        ] {
            let problem = read(json!({ field: bad })).expect_err("refused");
            assert!(problem.starts_with(&format!("cookie {field}: allowed is {allowed}")));
            assert!(!problem.contains('\n'), "{problem}");
        }
        let unknown = read(json!({ "max_age": "1h" })).expect_err("refused");
        assert!(unknown.contains("`max_age`") && unknown.contains("`age`"), "{unknown}");
    }
}
