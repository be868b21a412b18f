//! Listing the sessions by the names of their files.

use std::{collections::BinaryHeap, fs, io};

use super::directory::Directory;
use crate::{Page, SessionId};

/// The most ids on a page. Each page lists the whole directory, so that there is nothing to keep
/// between two pages: a hundred thousand files are listed seven times.
const PAGE: usize = 16 * 1024;

impl Directory {
    /// Returns the ids that follow `last` in byte order. Opens no file.
    pub(super) fn scan(&self, last: Option<&SessionId>) -> io::Result<Page> {
        self.scan_page(last, PAGE)
    }

    fn scan_page(&self, last: Option<&SessionId>, most: usize) -> io::Result<Page> {
        // The smallest ids so far, the largest of them on top.
        let (mut ids, mut has_more) = (BinaryHeap::new(), false);
        for entry in self.recreating(|| fs::read_dir(self.path()))? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".session"));
            let Some(id) = id.filter(|id| last.is_none_or(|last| *id > last.as_str())) else {
                continue;
            };
            let is_full = ids.len() == most;
            has_more |= is_full;
            if is_full && ids.peek().is_some_and(|largest: &SessionId| id >= largest.as_str()) {
                continue;
            }
            let Ok(id) = SessionId::parse(id) else { continue };
            ids.push(id);
            if is_full {
                ids.pop();
            }
        }
        let next = ids.peek().filter(|_| has_more).map(|last| last.as_str().to_owned());
        Ok(Page::new(ids.into_vec(), next))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::clock::Clock, *};

    #[test]
    fn every_session_is_on_one_page_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path(), Clock::of_the_machine()).unwrap();
        let mut names: Vec<String> = (0..25).map(|number| format!("id-{number:02}")).collect();
        for name in &names {
            fs::write(dir.path().join(format!("{name}.session")), "not read").unwrap();
        }
        for other in [".lock-17", ".a.tmp", "notes.txt", "a b.session", "@users.session"] {
            fs::write(dir.path().join(other), "").unwrap();
        }
        for most in [1, 7, 24, 25, 26] {
            let (mut found, mut last) = (Vec::new(), None);
            loop {
                let page = directory.scan_page(last.as_ref(), most).unwrap();
                assert!(page.ids.len() <= most);
                found.extend(page.ids.iter().map(|id| id.as_str().to_owned()));
                last = page.next.map(|next| SessionId::parse(&next).unwrap());
                if last.is_none() {
                    break;
                }
            }
            found.sort();
            names.sort();
            assert_eq!(found, names, "pages of {most}");
        }
    }

    #[test]
    fn a_directory_that_was_removed_has_no_sessions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions");
        let directory = Directory::open(&path, Clock::of_the_machine()).unwrap();
        fs::remove_dir(&path).unwrap();
        assert!(directory.scan(None).unwrap().ids.is_empty());
    }
}
