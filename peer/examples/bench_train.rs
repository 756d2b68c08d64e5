//! Training speed next to PyTorch's: `cargo run --release -p fltorrent-peer --example bench_train -- [PYTHON]`.

use std::error::Error;

use fltorrent_peer::train::bench::{Options, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let python = std::env::args_os()
        .nth(1)
        .or_else(|| std::env::var_os("FLTORRENT_PYTHON"));
    let python = python.unwrap_or_else(|| "/usr/bin/python3".into()).into();
    let report = run(&Options {
        python,
        repetitions: 5,
        epochs: 10,
    })?;
    println!("MLP 784-128-10, batch 64, samples for each CPU second on one thread");
    println!(
        "{:>12} {:>20} {:>6}",
        "FLTorrent",
        format!("PyTorch {}", report.torch_version),
        "ratio"
    );
    for repetition in &report.repetitions {
        println!(
            "{:>12.0} {:>20.0} {:>6.2}",
            repetition.ours,
            repetition.torch,
            repetition.ratio()
        );
    }
    if let Some(ratio) = report.median_ratio() {
        println!("median ratio {ratio:.2}");
    }
    Ok(())
}
