//! Network namespaces by name: `prefix`, the process that made them, and more. The tests that make some share this file.

use std::{fs, path::Path, process::Command};

/// Where iproute2 keeps the namespaces, and files that stand for those of `/etc` in them.
pub(crate) const FOLDER: &str = "/run/netns";
pub(crate) const ETC: &str = "/etc/netns";

/// Removes those whose process was killed before it could. What else begins so, but names no process, is somebody else's.
pub(crate) fn sweep(prefix: &str) {
    for name in all() {
        let process = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.split('-').next())
            .and_then(|process| process.parse::<u32>().ok());
        if let Some(process) = process
            && !Path::new("/proc").join(process.to_string()).exists()
        {
            remove(&name);
        }
    }
}

/// Deletes all whose names begin so, and with them their links. There is nobody to tell when that fails, and what another
/// process has deleted meanwhile need not go.
pub(crate) fn remove(prefix: &str) {
    for name in all() {
        if name.starts_with(prefix) {
            Command::new("ip").args(["netns", "del", &name]).output().ok();
            fs::remove_dir_all(Path::new(ETC).join(name)).ok();
        }
    }
}

fn all() -> Vec<String> {
    // Before the first namespace there is no such folder.
    let Ok(entries) = fs::read_dir(FOLDER) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}
