//! Peers in pods come to the model that the same program comes to on one machine.

use libtest_mimic::Failed;

use crate::{
    kubectl::{kubectl, namespace},
    world::{World, file},
};

/// The README's own: eight peers that train to the end, by the image's program.
pub fn quickstart(world: &World) -> Result<(), Failed> {
    let manifest = file("examples/quickstart.yaml")?;
    namespace(&world.cluster, "first")?;
    world.apply("first", "quickstart", &manifest)?;
    let model = world.completed("first", "quickstart")?;
    let here = world.trained_here("quickstart", &manifest)?;
    if model != here {
        return Err(format!("the model is {model} on the cluster, {here} by `fltorrent run`").into());
    }
    let table = kubectl(&world.cluster, "-n first get flt")?;
    println!("{table}");
    for shown in ["ring", "8/8", "10/10", "Complete"] {
        if !table.split_whitespace().any(|word| word == shown) {
            return Err(format!("no {shown} in\n{table}").into());
        }
    }
    let peers = world.status("first", "quickstart", "peers")?;
    for counted in [r#""complete":8"#, r#""desired":8"#] {
        if !peers.contains(counted) {
            return Err(format!("no {counted} in {peers}").into());
        }
    }
    for end in ["condition=Complete", "jsonpath={.status.endTime}"] {
        let waited = format!("-n first wait flt/quickstart --for={end} --timeout=10s");
        kubectl(&world.cluster, &waited)?;
    }
    world.remove("first")
}

/// Two at once, of one namespace, with seeds of their own.
pub fn two(world: &World) -> Result<(), Failed> {
    let manifest = file("examples/quickstart.yaml")?;
    let named = |name: &str, seed: &str| {
        manifest
            .replace("name: quickstart", &format!("name: {name}"))
            .replace("seed: 42", &format!("seed: {seed}"))
            .replace("count: 8", "count: 4")
    };
    namespace(&world.cluster, "both")?;
    let experiments = [("one", named("one", "1")), ("two", named("two", "2"))];
    for (name, manifest) in &experiments {
        world.apply("both", name, manifest)?;
    }
    let mut models = Vec::new();
    for (name, manifest) in &experiments {
        let (model, here) = (world.completed("both", name)?, world.trained_here(name, manifest)?);
        if model != here {
            return Err(format!("{name} came to {model}, by `fltorrent run` to {here}").into());
        }
        models.push(model);
    }
    if models[0] == models[1] {
        return Err("two seeds came to one model".into());
    }
    world.remove("both")
}
