//! Shows the logs of peers, each line with its peer in front.

use std::process::ExitCode;

use anyhow::Context as _;
use fltorrent_crds::visible;
use futures_util::{AsyncBufReadExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams},
};

use crate::{build::pod::CONTAINER, names};

/// Logs that are read at a time.
const PARALLEL: usize = 64;

/// Options of `kubectl fltorrent logs`.
pub(super) struct LogOptions {
    pub(super) peer: Option<u32>,
    pub(super) follow: bool,
    pub(super) tail: Option<i64>,
}

pub(super) async fn run(client: Client, namespace: &str, name: &str, options: &LogOptions) -> anyhow::Result<ExitCode> {
    let api: Api<Pod> = Api::namespaced(client, namespace);
    let mut selector = names::pods_of(name);
    if let Some(peer) = options.peer {
        selector.push_str(&format!(",{}={peer}", names::INDEX));
    }
    let pods = api
        .list(&ListParams::default().labels(&selector))
        .await
        .context("the pods cannot be listed")?;
    let mut pods: Vec<(u32, String)> = pods.iter().filter_map(place).collect();
    anyhow::ensure!(!pods.is_empty(), "the experiment {name} has no matching pods");
    pods.sort();
    // One after the other unless they go on, so that each peer's story stays together.
    let parallel = if options.follow { PARALLEL } else { 1 };
    let failed = stream::iter(pods)
        .map(|(peer, pod)| show(&api, peer, pod, options))
        .buffer_unordered(parallel)
        .filter_map(|result| async {
            let error = result.err()?;
            eprintln!("{}", visible(&format!("{error:#}")));
            Some(())
        })
        .count()
        .await;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn place(pod: &Pod) -> Option<(u32, String)> {
    let peer = pod.labels().get(names::INDEX)?.parse().ok()?;
    Some((peer, pod.name_any()))
}

async fn show(api: &Api<Pod>, peer: u32, pod: String, options: &LogOptions) -> anyhow::Result<()> {
    let params = LogParams {
        container: Some(CONTAINER.to_owned()),
        follow: options.follow,
        tail_lines: options.tail,
        ..LogParams::default()
    };
    let log = api
        .log_stream(&pod, &params)
        .await
        .with_context(|| format!("the log of pod {pod} cannot be read"))?;
    let mut lines = log.lines();
    while let Some(line) = lines.try_next().await? {
        super::print(&format!("{peer:>4} | {line}\n"))?;
    }
    Ok(())
}
