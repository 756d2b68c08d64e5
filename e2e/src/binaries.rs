//! The programs that are built from Go modules, and kept in the cache until their modules change.

mod modules;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

pub use self::modules::{MODULES, Module};
use crate::{
    command::{self, CommandError},
    layout::Layout,
    task::{Interrupt, Task},
};

/// Programs for a person's PATH.
const FOR_PEOPLE: [&str; 2] = ["helm", "kubectl"];

/// Why there are no programs.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum BinariesError {
    #[error("the cache's {} cannot be used", path.display())]
    Cache { path: PathBuf, source: io::Error },
    #[error("{module} cannot be built")]
    Build { module: &'static str, source: CommandError },
}

/// All programs, built.
#[derive(Clone, Debug)]
pub struct Binaries {
    cache: PathBuf,
}

impl Binaries {
    /// Builds what the cache lacks, and removes what is no longer used.
    ///
    /// # Errors
    /// When Go fails or the cache cannot be written.
    pub fn ensure(layout: &Layout, interrupt: &Interrupt) -> Result<Self, BinariesError> {
        let cache = layout.cache().to_owned();
        for module in &MODULES {
            let folder = cache.join(module.folder());
            if folder.is_dir() {
                continue;
            }
            let what = format!(
                "building {} {} (kept in {})",
                module.name,
                module.version(),
                cache.display()
            );
            let mut task = Task::begin(what, interrupt);
            build(module, &cache, &folder, &mut task)?;
            task.end();
        }
        let binaries = Self { cache };
        binaries.tidy()?;
        binaries.link()?;
        Ok(binaries)
    }

    /// Path of a program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        let module = MODULES
            .iter()
            .find(|module| module.programs().any(|program| program == name));
        let folder = module.map(Module::folder).unwrap_or_default();
        self.cache.join(folder).join(name)
    }

    /// A folder with the programs that a person wants.
    #[must_use]
    pub fn for_people(&self) -> PathBuf {
        self.cache.join("bin")
    }

    /// Removes what older versions of modules left.
    fn tidy(&self) -> Result<(), BinariesError> {
        let kept: Vec<String> = MODULES.iter().map(Module::folder).collect();
        let entries = usable(&self.cache, fs::read_dir(&self.cache))?;
        for entry in entries {
            let path = usable(&self.cache, entry)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let ours = MODULES
                .iter()
                .any(|module| name.strip_prefix(module.name).is_some_and(|rest| rest.starts_with('-')));
            if ours && !kept.iter().any(|kept| *kept == name) {
                usable(&path, fs::remove_dir_all(&path))?;
            }
        }
        Ok(())
    }

    fn link(&self) -> Result<(), BinariesError> {
        let folder = self.for_people();
        usable(&folder, fs::create_dir_all(&folder))?;
        for name in FOR_PEOPLE {
            let (link, program) = (folder.join(name), self.program(name));
            if fs::read_link(&link).ok().as_ref() != Some(&program) {
                match fs::remove_file(&link) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return usable(&link, Err(error));
                    }
                    _ => usable(&link, symlink(program, &link))?,
                }
            }
        }
        Ok(())
    }
}

/// Builds a module beside its place, so that what stands there is whole.
fn build(module: &Module, cache: &Path, folder: &Path, task: &mut Task) -> Result<(), BinariesError> {
    usable(cache, fs::create_dir_all(cache))?;
    let lock = cache.join("lock");
    let file = usable(&lock, File::create(&lock))?;
    usable(&lock, file.lock())?;
    if folder.is_dir() {
        return Ok(());
    }
    let work = cache.join(format!("{}.building", module.folder()));
    if work.exists() {
        usable(&work, fs::remove_dir_all(&work))?;
    }
    let sources = work.join("sources");
    for (name, text) in module.files {
        let path = sources.join(name);
        let parent = path.parent().unwrap_or(&sources);
        usable(parent, fs::create_dir_all(parent))?;
        usable(&path, fs::write(&path, text))?;
    }
    for (index, (package, program)) in module.targets.iter().enumerate() {
        let (number, all) = (index + 1, module.targets.len());
        task.detail(format!("{program}, {number} of {all}"));
        let mut go = Command::new("go");
        go.current_dir(&sources)
            .envs([("CGO_ENABLED", "0"), ("GOWORK", "off")])
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .args(["build", "-ldflags", &module.flags(), "-o"])
            .args([&work.join(program).to_string_lossy(), *package]);
        command::run(&mut go, task).map_err(|source| BinariesError::Build {
            module: module.name,
            source,
        })?;
    }
    usable(&sources, fs::remove_dir_all(&sources))?;
    usable(folder, fs::rename(&work, folder))
}

fn usable<T>(path: &Path, result: io::Result<T>) -> Result<T, BinariesError> {
    result.map_err(|source| BinariesError::Cache {
        path: path.to_owned(),
        source,
    })
}
