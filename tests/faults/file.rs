//! Faults in the directory of the file storage, which several processes share.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    thread::sleep,
    time::Duration,
};

use crate::{
    demo::{alone::alone, server::Server, store::Store},
    fault_run::{AllowedErrors, FaultRun, servers},
    killed::assert_files_intact,
};

/// Removes the privileges with which root ignores file permissions.
const WITHOUT_PRIVILEGES: [&str; 2] =
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"];

#[test]
fn g7_a_full_disk_refuses_writes_and_keeps_what_is_there() {
    let _alone = alone();
    let store = Store::file();
    // With a file size limit of 0 every write fails as on a full disk, only with another error
    // number. The signal that the limit sends is ignored.
    let servers = serve(&store, &["env", "--ignore-signal=XFSZ"]);
    let figures = FaultRun::begin("file: full disk", vec![servers])
        .inject(|servers| {
            servers.iter().for_each(|server| server.limit_file_size("0"));
            sleep(Duration::from_millis(1000));
            servers.iter().for_each(|server| server.limit_file_size("unlimited"));
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
    assert_files_intact(directory(&store));
}

#[test]
fn g7_a_read_only_directory_refuses_writes_and_still_reads() {
    let _alone = alone();
    let store = Store::file();
    let is_root = fs::metadata("/proc/self").expect("Linux").uid() == 0;
    let wrapper = if is_root { &WITHOUT_PRIVILEGES[..] } else { &[] };
    let figures = FaultRun::begin("file: read-only directory", vec![serve(&store, wrapper)])
        .inject(|_| {
            set_mode(directory(&store), 0o500);
            sleep(Duration::from_millis(1000));
            set_mode(directory(&store), 0o700);
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
    assert_files_intact(directory(&store));
}

#[test]
fn g7_a_missing_parent_directory_is_an_error_until_it_returns() {
    let _alone = alone();
    let parent = tempfile::tempdir().expect("a temporary directory");
    let directory = parent.path().join("sessions");
    let path = directory.to_str().expect("UTF-8");
    let store = Store::file();
    let group = servers(|| store.serve(&[("DEMO__FILE__PATH", path)]));
    let away = parent.path().with_extension("away");
    let figures = FaultRun::begin("file: parent directory away", vec![group])
        .inject(|_| {
            fs::rename(parent.path(), &away).expect("it can be renamed");
            sleep(Duration::from_millis(1000));
            fs::rename(&away, parent.path()).expect("it can be renamed back");
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
    assert_files_intact(&directory);
}

#[test]
fn g8_a_removed_directory_is_created_anew_and_used_at_once() {
    let _alone = alone();
    let store = Store::file();
    FaultRun::begin("file: directory removed, 10 times", vec![serve(&store, &[])])
        .expecting_data_loss()
        .inject(|_| {
            for _ in 0..10 {
                // Fails if a writer creates a file meanwhile.
                while fs::remove_dir_all(directory(&store)).is_err() {}
                sleep(Duration::from_millis(100));
            }
        })
        .end(AllowedErrors::Unavailable);
    assert_files_intact(directory(&store));
}

#[test]
fn g16_lock_files_that_cannot_be_used_harm_their_own_sessions_only() {
    let _alone = alone();
    let store = Store::file();
    let locks = (0..64).step_by(4).map(|number| format!(".lock-{number:02}"));
    let locks: Vec<_> = locks.map(|name| directory(&store).join(name)).collect();
    let figures = FaultRun::begin("file: a quarter of the lock files", vec![serve(&store, &[])])
        .inject(|_| {
            for lock in &locks {
                fs::remove_file(lock).expect("a lock file");
                // A server may create it in between.
                while fs::create_dir(lock).is_err() {
                    let _ = fs::remove_file(lock);
                }
            }
            sleep(Duration::from_millis(1000));
            locks.iter().for_each(|lock| fs::remove_dir(lock).expect("it is empty"));
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0 && figures.unavailable < figures.requests);
    assert_files_intact(directory(&store));
}

fn serve(store: &Store, wrapper: &[&str]) -> Vec<Server> {
    servers(|| store.serve_through(wrapper, &[("RUST_LOG", "info")]))
}

fn directory(store: &Store) -> &Path {
    let Store::File(directory) = store else { panic!("not kept in files") };
    directory.path()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .expect("the directory is owned by this user");
}
