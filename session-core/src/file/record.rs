//! The content of a session's file.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{MAX_TTL, SessionId, Snapshot};

/// A stored session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) expires: Timestamp,
    pub(super) items: Snapshot,
}

/// A time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timestamp(u64);

/// Why a file with a session's name counts as no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotAFile,
    Forbidden,
    TooLarge,
    NotText,
    FirstLine,
    OtherId,
    NotAnObject,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAFile => "not a file",
            Self::Forbidden => "no permission to read it",
            Self::TooLarge => "larger than 4 GiB",
            Self::NotText => "not UTF-8",
            Self::FirstLine => "its first line is not a time in milliseconds and an id",
            Self::OtherId => "its first line names another id",
            Self::NotAnObject => "the text after its first line is not a JSON object",
        })
    }
}

impl Record {
    /// Parses a file's content. Returns `None` if the session has expired or has no items.
    pub(super) fn parse(
        content: &[u8],
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let text = str::from_utf8(content).map_err(|_| Fault::NotText)?;
        let (first, items) = text.split_once('\n').ok_or(Fault::FirstLine)?;
        let expires = Timestamp::parse_expiry(first, id)?;
        if expires <= now {
            return Ok(None);
        }
        // Without the line breaks that editors and `to_text` add, so that saving a session in an
        // editor does not change it.
        let items = Snapshot::parse(items.trim_ascii()).map_err(|_| Fault::NotAnObject)?;
        Ok(items.map(|items| Self { expires, items }))
    }

    /// Formats the file's content. It ends with a line break, as editors expect.
    pub(super) fn to_text(&self, id: &SessionId) -> String {
        format!("{} {}\n{}\n", self.expires.0, id.as_str(), self.items.stored())
    }
}

impl Timestamp {
    pub(super) const EPOCH: Self = Self(0);

    pub(super) fn now() -> Self {
        SystemTime::now().into()
    }

    pub(super) fn of_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970.
    pub(super) fn millis(self) -> u64 {
        self.0
    }

    pub(super) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Returns the time since an earlier one; zero if it is later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns the time left at `now`, at most [`MAX_TTL`] even if the file was edited by hand.
    pub(super) fn time_left(self, now: Self) -> Duration {
        self.since(now).min(MAX_TTL)
    }

    /// Parses a file's first line: when it expires.
    pub(super) fn parse_expiry(line: &str, id: &SessionId) -> Result<Self, Fault> {
        let mut words = line.split_ascii_whitespace();
        let (Some(expires), Some(name), None) = (words.next(), words.next(), words.next()) else {
            return Err(Fault::FirstLine);
        };
        let expires = expires.parse().map_err(|_| Fault::FirstLine)?;
        // A file system that ignores case finds this file under other ids too.
        if name == id.as_str() { Ok(Self(expires)) } else { Err(Fault::OtherId) }
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 counts as 1970.
    fn from(time: SystemTime) -> Self {
        Self::EPOCH.after(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + time.since(Timestamp::EPOCH)
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: u64 = 95_617_584_000_000;

    fn id() -> SessionId {
        SessionId::parse("user-17").unwrap()
    }

    fn parse(content: &[u8]) -> Result<Option<Record>, Fault> {
        Record::parse(content, &id(), Timestamp::now())
    }

    fn items(content: &str) -> Result<Option<String>, Fault> {
        let record = parse(content.as_bytes())?;
        Ok(record.map(|record| record.items.to_json().into_owned()))
    }

    #[test]
    fn a_written_record_is_read_back() {
        let items = Snapshot::parse(r#"{"a":2.50,"b":[ 1 ]}"#).unwrap().unwrap();
        let record = Record { expires: Timestamp(LATER), items };
        let text = record.to_text(&id());
        assert_eq!(text, format!("{LATER} user-17\n{{\"a\":2.50,\"b\":[ 1 ]}}\n"));
        assert_eq!(parse(text.as_bytes()), Ok(Some(record)));
    }

    #[test]
    fn files_reformatted_by_editors_are_read() {
        for rest in [
            "user-17\n{\"a\":1}",
            "user-17\r\n{\"a\":1}\r\n",
            " user-17 \n\n{\n  \"a\": 1\n}\n\n",
            "user-17\n{\"a\":0,\n\t\"a\":1}",
        ] {
            assert_eq!(items(&format!("{LATER} {rest}")).unwrap().unwrap(), r#"{"a":1}"#, "{rest}");
        }
    }

    #[test]
    fn a_record_that_is_expired_or_without_items_is_no_session() {
        for content in [
            "0 user-17\n{\"a\":1}\n",
            "1000 user-17\nnot JSON, but no longer parsed",
            "95617584000000 user-17\n{}\n",
            "95617584000000 user-17\n",
        ] {
            assert_eq!(items(content), Ok(None), "{content}");
        }
    }

    #[test]
    fn g10_any_other_content_is_a_fault() {
        use Fault::{FirstLine, NotAnObject, OtherId};
        for (content, fault) in [
            ("", FirstLine),
            ("\n", FirstLine),
            ("{\"a\":1}", FirstLine),
            ("{\"a\":1}\n", FirstLine),
            ("95617584000000 user-17", FirstLine),
            ("95617584000000\n{\"a\":1}", FirstLine),
            ("user-17 95617584000000\n{\"a\":1}", FirstLine),
            ("-1 user-17\n{\"a\":1}", FirstLine),
            ("1e20 user-17\n{\"a\":1}", FirstLine),
            ("99999999999999999999999999 user-17\n{\"a\":1}", FirstLine),
            ("95617584000000 user-17 more\n{\"a\":1}", FirstLine),
            ("95617584000000 USER-17\n{\"a\":1}", OtherId),
            ("95617584000000 user-18\n{\"a\":1}", OtherId),
            ("95617584000000 user-17\n{\"a\":1", NotAnObject),
            ("95617584000000 user-17\n[1]", NotAnObject),
            ("95617584000000 user-17\n{\"a\":1}\n{\"b\":2}", NotAnObject),
            ("95617584000000 user-17\n\u{feff}{\"a\":1}", NotAnObject),
        ] {
            assert_eq!(items(content), Err(fault), "{content}");
        }
        assert_eq!(parse(b"\xff\xfe"), Err(Fault::NotText));
    }

    #[test]
    fn g11_truncated_and_altered_files_do_not_panic() {
        let content =
            format!("{LATER} user-17\n{{\"a\":\"\u{e9}\",\"b\":[1,{{}}]}}\n").into_bytes();
        for place in 0..content.len() {
            let _ = parse(&content[..place]);
            for byte in [0, b'\n', b' ', b'"', b'{', b'9', 0x80, 0xff] {
                let mut altered = content.clone();
                altered[place] = byte;
                let _ = parse(&altered);
            }
        }
    }

    #[test]
    fn a_time_left_edited_by_hand_is_capped() {
        let line = "18446744073709551615 user-17";
        let expires = Timestamp::parse_expiry(line, &id()).unwrap();
        assert_eq!(expires.time_left(Timestamp::now()), MAX_TTL);
    }
}
