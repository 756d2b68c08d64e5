//! The images of the repository's Dockerfile, built by buildah without an image registry: on a Debian base that carries the name
//! the Dockerfile expects, with this machine's Rust toolchain and the packages that it has fetched mounted.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    mount::{UnmountFlags, unmount},
    process::geteuid,
};

use crate::{
    command::{self, CommandError},
    layout::Layout,
    packages::{self, PackagesError},
    task::{Interrupt, Task},
};

/// Programs that build images, and Debian's packages that have them.
const PROGRAMS: [(&str, &str); 2] = [("buildah", "buildah"), ("debootstrap", "debootstrap")];
/// Packages of the base besides the smallest Debian.
const BASE_PACKAGES: &str = "ca-certificates,gcc,libc6-dev";
/// Mount point of the toolchain.
const TOOLCHAIN: &str = "/usr/local/rust";
/// Cargo's home in the build.
const CARGO_HOME: &str = "/usr/local/cargo";
/// Cargo's target folder in the build.
const TARGET: &str = "/target";
/// The targets that need no CUDA, each named as its image without `fltorrent-`, with the program in it.
const TARGETS: [(&str, &str); 2] = [("operator", "fltorrent-operator"), ("peer", "fltorrent")];

/// Why there are no images.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum DockerfileError {
    #[error("images are built as root: run it as root, or with sudo -E")]
    NotRoot,
    #[error(transparent)]
    Packages(#[from] PackagesError),
    #[error("{} cannot be used", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} names no base image in a line `ARG RUST_IMAGE=`", path.display())]
    NoBase { path: PathBuf },
    #[error("no Debian release and mirror are configured here; elsewhere `docker build` makes the images")]
    NoMirror,
    #[error("{step} failed")]
    Step { step: String, source: CommandError },
}

/// An image in an archive.
#[derive(Clone, Debug)]
pub struct Image {
    /// The name by which pods ask for it.
    pub name: String,
    /// The archive, in the layout of OCI images, its layers compressed.
    pub archive: PathBuf,
    /// The archive's size, in bytes.
    pub bytes: u64,
    /// The program in it, copied out.
    pub program: PathBuf,
}

/// Where the programs in the images come from.
#[derive(Clone, Copy, Debug)]
pub enum Programs<'a> {
    /// The Dockerfile compiles them, as for use.
    Compiled,
    /// Cargo has them in this folder: they stand in for what the Dockerfile's stage `build` makes, which takes an optimised build of all crates.
    Built(&'a Path),
}

/// Builds the images of the operator and of peers that compute with the CPU, in this order.
///
/// What did not change since the last time is taken from the cache: layers, and what the compiler made for other ones.
///
/// # Errors
/// When a program is missing or a step fails, with what it said.
pub fn build(
    repository: &Path,
    layout: &Layout,
    programs: Programs<'_>,
    interrupt: &Interrupt,
) -> Result<[Image; 2], DockerfileError> {
    if !geteuid().is_root() {
        return Err(DockerfileError::NotRoot);
    }
    packages::ensure_programs(&PROGRAMS, interrupt)?;
    let builder = Builder {
        repository,
        programs,
        storage: layout.cache().join("containers"),
        run: layout.cache().join("containers-run"),
        images: layout.cache().join("images"),
        interrupt,
    };
    for folder in [&builder.storage, &builder.images] {
        usable(folder, fs::create_dir_all(folder))?;
    }
    let built = builder.build();
    builder.leave();
    built
}

struct Builder<'a> {
    repository: &'a Path,
    programs: Programs<'a>,
    /// Layers, kept from one build to the next.
    storage: PathBuf,
    run: PathBuf,
    images: PathBuf,
    interrupt: &'a Interrupt,
}

impl Builder<'_> {
    fn build(&self) -> Result<[Image; 2], DockerfileError> {
        self.base()?;
        let programs = match self.programs {
            Programs::Compiled => self.compiler()?,
            Programs::Built(folder) => vec![self.stage(folder)?],
        };
        let [operator, peer] = TARGETS;
        Ok([self.target(operator, &programs)?, self.target(peer, &programs)?])
    }

    /// The options that give the Dockerfile's stage `build` this machine's toolchain, packages, and what was compiled before.
    fn compiler(&self) -> Result<Vec<String>, DockerfileError> {
        let mut fetch = Command::new("cargo");
        fetch
            .args(["fetch", "--locked", "--quiet"])
            .current_dir(self.repository);
        self.step("fetching crates", &mut fetch)?;
        let mut sysroot = Command::new("rustc");
        sysroot.args(["--print", "sysroot"]).current_dir(self.repository);
        let sysroot = self.step("asking for the toolchain", &mut sysroot)?;
        let registry = cargo_home().join("registry");
        let compiled = self.images.join("target");
        usable(&compiled, fs::create_dir_all(&compiled))?;
        Ok(vec![
            format!("--volume={}:{TOOLCHAIN}:ro", sysroot.trim()),
            format!("--volume={}:{CARGO_HOME}/registry", registry.display()),
            format!("--volume={}:{TARGET}", compiled.display()),
        ])
    }

    /// The option that puts programs in the place of the stage `build`, without what only a debugger reads.
    fn stage(&self, folder: &Path) -> Result<String, DockerfileError> {
        let stage = self.images.join("stage");
        let programs = stage.join("programs");
        usable(&programs, fs::create_dir_all(&programs))?;
        for (_, program) in TARGETS {
            let mut strip = Command::new("strip");
            strip
                .args(["--strip-debug", "-o"])
                .args([programs.join(program), folder.join(program)]);
            self.step(&format!("taking over {program}"), &mut strip)?;
        }
        Ok(format!("--build-context=build={}", stage.display()))
    }

    /// Makes the base image under the name that the Dockerfile gives it, unless it is there.
    fn base(&self) -> Result<(), DockerfileError> {
        let path = self.repository.join("Dockerfile");
        let text = usable(&path, fs::read_to_string(&path))?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("ARG RUST_IMAGE="))
            .ok_or(DockerfileError::NoBase { path })?;
        let list = ["images", "--quiet", "--filter"];
        let reference = format!("reference=localhost/{name}");
        let there = self.step("listing images", self.buildah().args(list).arg(&reference))?;
        if !there.trim().is_empty() {
            return Ok(());
        }
        let (release, mirror) = self.mirror()?;
        let root = self.images.join("base");
        if root.exists() {
            usable(&root, fs::remove_dir_all(&root))?;
        }
        let mut debootstrap = Command::new("debootstrap");
        debootstrap
            .args(["--variant=minbase", &format!("--include={BASE_PACKAGES}")])
            .args([release.as_ref(), root.as_os_str(), mirror.as_ref()]);
        self.step("making a Debian base", &mut debootstrap)?;

        let container = self.step("a container", self.buildah().args(["from", "scratch"]))?;
        let container = container.trim();
        let mut add = self.buildah();
        add.args(["add", "--quiet", container]).arg(&root).arg("/");
        self.step("filling the base", &mut add)?;
        let path = format!("PATH={TOOLCHAIN}/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let cargo = format!("CARGO_HOME={CARGO_HOME}");
        let mut config = self.buildah();
        config
            .args(["config", "--env", &path, "--env", &cargo])
            .args(["--env", "CARGO_NET_OFFLINE=true", container]);
        self.step("configuring the base", &mut config)?;
        let mut commit = self.buildah();
        commit.args(["commit", "--quiet", "--rm", container, name]);
        self.step("keeping the base", &mut commit)?;
        usable(&root, fs::remove_dir_all(&root))
    }

    /// The release of Debian that this machine has, and where it gets its packages.
    fn mirror(&self) -> Result<(String, String), DockerfileError> {
        let path = PathBuf::from("/etc/os-release");
        let text = usable(&path, fs::read_to_string(&path))?;
        let release = text
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .ok_or(DockerfileError::NoMirror)?
            .trim_matches('"');
        let mut targets = Command::new("apt-get");
        targets
            .args(["indextargets", "--format", "$(RELEASE) $(SITE)"])
            .arg("Created-By: Packages");
        let targets = self.step("asking apt-get for its mirror", &mut targets)?;
        let mirror = targets
            .lines()
            .find_map(|line| line.strip_prefix(release)?.strip_prefix(' '))
            .ok_or(DockerfileError::NoMirror)?;
        Ok((release.to_owned(), mirror.to_owned()))
    }

    fn target(&self, (target, program): (&str, &str), programs: &[String]) -> Result<Image, DockerfileError> {
        let version = env!("CARGO_PKG_VERSION");
        // As Docker completes a name without a registry, and so does the kubelet.
        let name = format!("docker.io/library/fltorrent-{target}:{version}");
        let mut build = self.buildah();
        build
            .args(["bud", "--isolation=chroot", "--layers", "--pull-never"])
            .args(programs)
            .args([&format!("--target={target}"), &format!("--tag={name}")])
            .arg(self.repository);
        self.step(&format!("building the image of the {target}"), &mut build)?;

        let archive = self.images.join(format!("{target}.tar"));
        remove(&archive)?;
        let mut push = self.buildah();
        push.args(["push", "--quiet", &name])
            .arg(format!("oci-archive:{}:{name}", archive.display()));
        self.step(&format!("writing the image of the {target}"), &mut push)?;
        let bytes = usable(&archive, fs::metadata(&archive))?.len();
        Ok(Image {
            program: self.copy_out(&name, program)?,
            name,
            archive,
            bytes,
        })
    }

    /// Copies a program out of an image.
    fn copy_out(&self, image: &str, program: &str) -> Result<PathBuf, DockerfileError> {
        let mut from = self.buildah();
        let container = self.step("opening the image", from.args(["from", "--pull-never", image]))?;
        let container = container.trim();
        let root = self.step("opening the image", self.buildah().args(["mount", container]))?;
        let source = Path::new(root.trim()).join("usr/local/bin").join(program);
        let copy = self.images.join(program);
        // The last copy may be running: then it cannot be written, but another file may have its name.
        remove(&copy)?;
        usable(&source, fs::copy(&source, &copy))?;
        self.step("closing the image", self.buildah().args(["rm", container]))?;
        Ok(copy)
    }

    fn buildah(&self) -> Command {
        let mut buildah = Command::new("buildah");
        buildah
            .arg("--root")
            .arg(&self.storage)
            .arg("--runroot")
            .arg(&self.run)
            .arg("--storage-driver=overlay");
        buildah
    }

    fn step(&self, what: &str, program: &mut Command) -> Result<String, DockerfileError> {
        let mut task = Task::begin(what, self.interrupt);
        let said = command::run(program, &mut task).map_err(|source| DockerfileError::Step {
            step: what.to_owned(),
            source,
        })?;
        task.end();
        Ok(said)
    }

    /// Whatever a build left: containers of one that was interrupted, and the storage's own mount. What is there no more needs no care.
    fn leave(&self) {
        let mut task = Task::part(&Interrupt::never());
        let _ = command::run(self.buildah().args(["rm", "--all"]), &mut task);
        let _ = unmount(self.storage.join("overlay"), UnmountFlags::DETACH);
        let _ = fs::remove_dir_all(&self.run);
    }
}

fn cargo_home() -> PathBuf {
    let given = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo");
    given.unwrap_or_else(home)
}

fn remove(file: &Path) -> Result<(), DockerfileError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => usable(file, result),
    }
}

fn usable<T>(path: &Path, result: io::Result<T>) -> Result<T, DockerfileError> {
    result.map_err(|source| DockerfileError::File {
        path: path.to_owned(),
        source,
    })
}
