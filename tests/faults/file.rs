//! What can happen to the directory of the file storage, which several processes share.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    thread::sleep,
    time::Duration,
};

use crate::{
    alone,
    demo::{server::Server, store::Store},
    killed::no_torn_file,
    ordeal::{Cost, Ordeal, servers},
};

/// For a server that shall not be allowed everything because it happens to be run by root.
const WITHOUT_PRIVILEGE: [&str; 2] =
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"];

#[test]
fn g7_a_full_disk_refuses_writes_and_keeps_what_is_there() {
    let _alone = alone();
    let store = Store::file();
    // A process that may not write a byte to any file sees what it sees on a full disk, but for
    // the number of the error. The signal that comes with it is no part of that.
    let all = serve(&store, &["env", "--ignore-signal=XFSZ"]);
    let figures = Ordeal::begin("file: full disk", vec![all])
        .strike(|servers| {
            servers.iter().for_each(|server| server.limit_files_to("0"));
            sleep(Duration::from_millis(1000));
            servers.iter().for_each(|server| server.limit_files_to("unlimited"));
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
    no_torn_file(directory(&store));
}

#[test]
fn g7_a_read_only_directory_refuses_writes_and_still_reads() {
    let _alone = alone();
    let store = Store::file();
    let is_root = fs::metadata("/proc/self").expect("Linux").uid() == 0;
    let under = if is_root { &WITHOUT_PRIVILEGE[..] } else { &[] };
    let figures = Ordeal::begin("file: read-only directory", vec![serve(&store, under)])
        .strike(|_| {
            set_mode(directory(&store), 0o500);
            sleep(Duration::from_millis(1000));
            set_mode(directory(&store), 0o700);
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
    no_torn_file(directory(&store));
}

#[test]
fn g7_a_directory_that_vanishes_is_an_error_until_it_is_back() {
    let _alone = alone();
    let store = Store::file();
    let there = directory(&store);
    let away = there.with_extension("away");
    let figures = Ordeal::begin("file: directory away", vec![serve(&store, &[])])
        .strike(|_| {
            fs::rename(there, &away).expect("it can be renamed");
            sleep(Duration::from_millis(1000));
            fs::rename(&away, there).expect("it can be renamed back");
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
    no_torn_file(there);
}

fn serve(store: &Store, under: &[&str]) -> Vec<Server> {
    servers(|| store.serve_under(under, &[("RUST_LOG", "info")]))
}

fn directory(store: &Store) -> &Path {
    let Store::File(directory) = store else { panic!("not kept in files") };
    directory.path()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}
