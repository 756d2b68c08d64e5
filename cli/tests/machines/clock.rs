//! A wall clock that jumps, for one process: a library of a few lines that is loaded before the others. The machine's clock stays.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::network::Network;

/// Adds the seconds in a file, which is mapped, to what the system says. A process without that file has the system's time.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *ahead;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        ahead = mapped;
    if (file >= 0)
        close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = syscall(SYS_clock_gettime, clock, time);
    if (!failed && clock == CLOCK_REALTIME && ahead)
        time->tv_sec += *ahead;
    return failed;
}
"#;

pub(crate) struct Clock {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

impl Clock {
    /// One that is right, with its files in a folder.
    pub(crate) fn make(folder: &Path) -> Self {
        let [source, library, path] = ["clock.c", "clock.so", "clock"].map(|name| folder.join(name));
        fs::write(&source, SOURCE).unwrap();
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .output()
            .unwrap_or_else(|error| panic!("cc cannot be run: {error}; rustc needs it, too"));
        assert!(output.status.success(), "{output:?}");
        let file = File::create_new(&path).unwrap();
        let clock = Self { library, path, file };
        clock.jump(0);
        clock
    }

    /// The peer of a machine goes by it.
    pub(crate) fn give(&self, network: &mut Network, index: u32) {
        network.set_variable(index, "LD_PRELOAD", self.library.clone());
        network.set_variable(index, "CLOCK", self.path.clone());
    }

    /// From now on it is so many seconds ahead of the machine's.
    pub(crate) fn jump(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
