use std::{
    ffi::c_int,
    path::{Path, PathBuf},
};

use burn::backend::{Autodiff, Cuda};
use fltorrent_crds::plan::{ModelPlan, TrainingPlan};
use libloading::{Library, Symbol};

use super::{BackendError, Trainer, network::Network, sgd::Sgd};

const DRIVER: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
const COMPILER: [&str; 4] = ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11"];
/// Where CubeCL looks for CUDA's headers when `CUDA_PATH` is not set.
const FOLDERS: [&str; 2] = ["/usr/local/cuda", "/opt/cuda"];

pub(super) fn trainer<N: Network>(
    network: N,
    model: &ModelPlan,
    training: &TrainingPlan,
    seed: u64,
    peer: u32,
) -> Box<dyn Trainer> {
    Box::new(Sgd::<Autodiff<Cuda>, N>::new(network, model, training, seed, peer))
}

/// Finds the driver, a device, the run-time compiler and CUDA's headers, each of which the backend would panic without.
pub(super) fn probe() -> Result<(), BackendError> {
    let Some(driver) = open(&DRIVER) else {
        return missing(
            format!("none of {} could be loaded", DRIVER.join(", ")),
            "NVIDIA's driver",
            "install the driver, or give the container the GPU",
        );
    };
    let devices = device_count(&driver);
    if !matches!(devices, Ok(1..)) {
        let found = match devices {
            Ok(count) => format!("the driver has {count} devices"),
            Err(reason) => reason,
        };
        return missing(
            found,
            "at least one visible GPU",
            "check nvidia-smi and CUDA_VISIBLE_DEVICES",
        );
    }
    if open(&COMPILER).is_none() {
        return missing(
            format!("none of {} could be loaded", COMPILER.join(", ")),
            "NVIDIA's run-time compiler NVRTC",
            "install CUDA's NVRTC package, or put its folder into LD_LIBRARY_PATH",
        );
    }
    let toolkit = toolkit();
    if !toolkit
        .as_ref()
        .is_some_and(|folder| folder.join("include/cuda_runtime.h").exists())
    {
        return missing(
            match toolkit {
                Some(folder) => format!("{} has no include/cuda_runtime.h", folder.display()),
                None => format!("CUDA_PATH is not set and none of {} exists", FOLDERS.join(", ")),
            },
            "CUDA's headers",
            "install CUDA's headers and set CUDA_PATH to the folder that holds include",
        );
    }
    Ok(())
}

/// The folder that CubeCL will take CUDA's headers from, found in the way that it goes about it.
fn toolkit() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CUDA_PATH") {
        return Some(path.into());
    }
    let installed = FOLDERS.iter().map(PathBuf::from).find(|folder| folder.exists());
    installed.or_else(|| Path::new("/usr/bin/nvcc").exists().then(|| "/usr".into()))
}

fn missing(found: String, expected: &'static str, next: &'static str) -> Result<(), BackendError> {
    Err(BackendError::Missing {
        backend: "cuda",
        found,
        expected,
        next,
    })
}

fn open(names: &[&str]) -> Option<Library> {
    // SAFETY: these are NVIDIA's libraries under their published names; their initialisers need nothing from the caller.
    names.iter().find_map(|name| unsafe { Library::new(name) }.ok())
}

/// Asks the driver (CUDA driver API: `cuInit`, `cuDeviceGetCount`; 0 means success).
fn device_count(driver: &Library) -> Result<c_int, String> {
    let lacks = |error: libloading::Error| format!("the driver library lacks a function ({error})");
    // SAFETY: the type is that of `CUresult cuInit(unsigned int)`.
    let init: Symbol<'_, unsafe extern "C" fn(u32) -> c_int> = unsafe { driver.get(b"cuInit\0") }.map_err(lacks)?;
    // SAFETY: the type is that of `CUresult cuDeviceGetCount(int *)`.
    let count: Symbol<'_, unsafe extern "C" fn(*mut c_int) -> c_int> =
        unsafe { driver.get(b"cuDeviceGetCount\0") }.map_err(lacks)?;
    // SAFETY: cuInit may be called at any time, more than once, and wants 0.
    let status = unsafe { init(0) };
    if status != 0 {
        return Err(format!("cuInit failed with CUDA error {status}"));
    }
    let mut devices = 0;
    // SAFETY: the driver is initialised and `devices` is a live int for the length of the call.
    let status = unsafe { count(&raw mut devices) };
    if status != 0 {
        return Err(format!("cuDeviceGetCount failed with CUDA error {status}"));
    }
    Ok(devices)
}
